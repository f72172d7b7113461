/* stb_image: the JPEG reader and the inflater, as compiled in stb.c. */
#ifndef MPA_IMAGE_STB_H
#define MPA_IMAGE_STB_H

/* stbi_failure_reason() is then that of the next failure: NULL where stb_image fails without one. */
void stb_forget_failure(void);

#endif
