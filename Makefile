# Builds ./mpa and libmpa.a. `make help` lists targets and options.
#
# Every choice of options has its own folder build/<config>/ for objects and test programs, so that variants never mix. ./mpa and libmpa.a
# are copies of the ones that were built last by a plain `make`. Where two files offer the same thing in two ways (BLAS or plain C, one
# JPEG decoder or the other), the option chooses the file: there is no #ifdef in a formula.

VERSION = 0.1.0

BLAS   = openblas
OPENMP = 1
JPEG   = auto
KERNELS = $(if $(filter none,$(BLAS)),plain,cpu)
NATIVE = 0
SAN    =
EVERY  = 20
KILLS  = 500
READERS =
WERROR = 0

PREFIX  = /usr/local
DESTDIR =
PYTHON  = python3
TORCH_INDEX =

# CC, CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are the user's: what is given is appended to what is needed, never the other way round.
CFLAGS   ?=
CPPFLAGS ?=
LDFLAGS  ?=
LDLIBS   ?=

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
FORCE:

check_value = $(if $(filter $(2),$($(1))),,$(error $(1)=$($(1)) is not known; allowed: $(2)))
$(call check_value,BLAS,openblas none)
$(call check_value,OPENMP,0 1)
$(call check_value,JPEG,auto stb turbo)
$(call check_value,KERNELS,cpu emulated plain)
$(call check_value,NATIVE,0 1)
$(call check_value,WERROR,0 1)

# ---------------------------------------------------------------------------------------------------------------------- configuration

empty :=
comma := ,
space := $(empty) $(empty)
quote  = '$(subst ','\'',$(1))'
JOBS  := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
KERNEL := $(shell uname -s)

# libjpeg-turbo where its header is: it is exact to Pillow and has seen more hostile files than any other.
jpeg     := $(if $(filter auto,$(JPEG)),$(shell printf '\043include <stdio.h>\n\043include <jpeglib.h>\n' | \
    $(CC) $(shell pkg-config --cflags libjpeg 2>/dev/null) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 && echo turbo || echo stb),$(JPEG))

compiler := $(subst $(space),_,$(notdir $(CC)))
config   := $(compiler)-$(BLAS)-openmp$(OPENMP)-$(jpeg)$(if $(filter-out cpu,$(KERNELS)),-$(KERNELS))$(if $(filter 1,$(NATIVE)),-native)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
B        := build/$(config)

# $(call package,pkg-config name,--cflags or --libs,what to use where pkg-config does not know it)
package = $(shell pkg-config $(2) $(1) 2>/dev/null || echo $(call quote,$(3)))

needs      := compiler libc jansson inih stb utf8proc
inc_flags  := $(call package,jansson,--cflags) $(call package,inih,--cflags) $(call package,libutf8proc,--cflags)
libs       := $(call package,jansson,--libs,-ljansson) $(call package,inih,--libs,-linih) $(call package,libutf8proc,--libs,-lutf8proc)
test_flags := $(call package,cmocka,--cflags)
test_libs  := $(call package,cmocka,--libs,-lcmocka)
unused     := src/main.c

ifeq ($(BLAS),openblas)
    needs     += openblas
    inc_flags += $(call package,openblas,--cflags)
    libs      += $(call package,openblas,--libs,-lopenblas)
    unused    += src/tensor/gemm_plain.c
else
    unused    += src/tensor/gemm_blas.c
endif

ifeq ($(jpeg),turbo)
    needs     += jpeg
    inc_flags += $(call package,libjpeg,--cflags)
    libs      += $(call package,libjpeg,--libs,-ljpeg)
    unused    += src/image/decode_jpeg_stb.c
else
    unused    += src/image/decode_jpeg_turbo.c
endif

# The kernels of each instruction set are compiled for it; which of them runs is decided at run time. KERNELS=emulated: those for matrix
# tiles run on any such CPU, with the instructions of the tiles done in C.
ifneq ($(KERNELS),plain)
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine 2>/dev/null)),)
    kernel_defines := -DKERNELS_X86
    avx2_flags     := -mavx2 -mfma -ffp-contract=fast
    avx512_flags   := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512 -ffp-contract=fast
    amx_flags      := $(avx512_flags) -mamx-tile -mamx-bf16
ifeq ($(KERNELS),emulated)
    kernel_defines += -DKERNELS_EMULATED
    amx_flags      := $(avx2_flags) -Wno-psabi -include tests/kernel/emulated_tiles.h
endif
endif
endif

flags   := -std=c99 -O3 -g -ffp-contract=off -fno-math-errno -MMD -MP
warn    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wvla
defines := -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -DMPA_VERSION='"$(VERSION)"' $(kernel_defines)
link    :=

ifeq ($(OPENMP),1)
    needs += openmp
    flags += -fopenmp
else
    warn  += -Wno-unknown-pragmas
endif
ifeq ($(NATIVE),1)
    flags += -march=native
endif
ifeq ($(WERROR),1)
    warn += -Werror
endif
ifeq ($(SAN),)
    defines += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    flags   += -fstack-protector-strong -fPIE
    link    += $(if $(filter Linux,$(KERNEL)),-pie -Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)
else
    defines += -DMPA_SANITIZED
    flags   += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

compile      = $(CC) $(flags) $(warn) $(defines) -Isrc $(inc_flags) $(CPPFLAGS) $(CFLAGS)
compile_test = $(CC) $(flags) $(warn) $(defines) -Isrc -Itests $(inc_flags) $(test_flags) $(CPPFLAGS) $(CFLAGS)
link_with    = $(CC) $(flags) $(CFLAGS) $(link) $(LDFLAGS)
all_libs     = $(libs) $(LDLIBS) -lm

sources      := $(filter-out $(unused),$(sort $(shell find src -name '*.c')))
headers      := $(sort $(shell find src -name '*.h'))
test_sources := $(sort $(shell find tests -name '*_test.c'))
shim_source  := tests/torture/shim.c
help_sources := $(filter-out $(test_sources) $(shim_source),$(sort $(shell find tests -name '*.c')))
test_scripts := $(sort $(shell find tests -name '*_test.sh'))

objects      := $(sources:%.c=$(B)/%.o)
main_object  := $(B)/src/main.o
help_objects := $(help_sources:%.c=$(B)/%.o)
test_objects := $(test_sources:%.c=$(B)/%.o)
programs     := $(test_sources:%.c=$(B)/%)

# ------------------------------------------------------------------------------------------------------------------------------ build

# One short line per file; V=1 shows the commands instead, `make -s` nothing.
ifeq ($(V),1)
    run = $(2)
else ifneq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
    run = @$(2)
else
    run = @echo '  $(1) $@' && $(2)
endif

.PHONY: all build demo test check static memcheck threadcheck run-threadcheck torture fuzz run-fuzz run-own-fuzz run-demo run-tests test-programs deps deps-check ci-deps install uninstall clean dist help \
        check-rooms check-format format ref-venv world golden real-size real-level demo-texts cross-task ablation report-picture bench-torch FORCE

all: mpa libmpa.a

mpa: $(B)/mpa FORCE
	@cmp -s $< $@ || { cp -f $< $@.new && mv -f $@.new $@; }

libmpa.a: $(B)/libmpa.a FORCE
	@cmp -s $< $@ || { cp -f $< $@.new && mv -f $@.new $@; }

$(B)/mpa: $(main_object) $(B)/libmpa.a
	$(call run,LINK,$(link_with) -o $@ $(main_object) $(B)/libmpa.a $(all_libs))

# Made anew each time, so that the object of a source file that is gone does not stay in it.
$(B)/libmpa.a: $(objects) $(B)/sources
	@rm -f $@
	$(call run,AR  ,$(AR) qcs $@ $(objects))

# Two files that change only when the flags or the list of source files do.
$(B)/flags: FORCE | deps-check
	@mkdir -p $(@D)
	@printf '%s\n' $(call quote,$(compile_test) $(link) $(LDFLAGS) $(all_libs)) | cmp -s - $@ || \
	 printf '%s\n' $(call quote,$(compile_test) $(link) $(LDFLAGS) $(all_libs)) > $@

$(B)/sources: FORCE
	@mkdir -p $(@D)
	@echo $(objects) | cmp -s - $@ || echo $(objects) > $@

$(B)/src/kernel/kernels_avx2.o: more := $(avx2_flags)
$(B)/src/kernel/kernels_avx512.o: more := $(avx512_flags)
$(B)/src/kernel/kernels_amx.o: more := $(amx_flags)

$(objects) $(main_object): $(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call run,CC  ,$(compile) $(more) -c -o $@ $<)

# Sums in stb_image wrap on broken files; stb_image_write shifts bits out of a signed number.
$(B)/src/image/stb.o $(B)/src/image/encode.o: more := -fwrapv

# Wide vectors without the instructions for them: how functions would pass them does not matter within a file.
$(B)/tests/kernel/tiles_test.o: more := -Wno-psabi

$(test_objects) $(help_objects): $(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call run,CC  ,$(compile_test) $(more) -c -o $@ $<)

$(B)/tests/libhelpers.a: $(help_objects)
	@mkdir -p $(@D)
	@rm -f $@
	$(call run,AR  ,$(AR) qcs $@ $(help_objects))

$(programs): %: %.o $(B)/tests/libhelpers.a $(B)/libmpa.a
	$(call run,LINK,$(link_with) -o $@ $< $(B)/tests/libhelpers.a $(B)/libmpa.a $(test_libs) $(all_libs))

# Calls that fail, for tests/torture: preloaded, so it is Linux's, and no sanitizer's.
shim := $(if $(SAN),,$(if $(filter Linux,$(KERNEL)),$(B)/torture.so))

$(B)/torture.so: $(shim_source) $(B)/flags
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) -O1 -shared -fPIC -Wall -Wextra $(CFLAGS) -o $@ $< -ldl)

# For `make fuzz`, in its own configuration: SAN holds fuzzer-no-link there.
$(B)/fuzz: $(B)/tests/libhelpers.a $(B)/libmpa.a
	$(call run,LINK,$(link_with) -fsanitize=fuzzer -o $@ $(B)/tests/libhelpers.a $(B)/libmpa.a $(test_libs) $(all_libs))

-include $(objects:.o=.d) $(main_object:.o=.d) $(test_objects:.o=.d) $(help_objects:.o=.d)

# ------------------------------------------------------------------------------------------------------------------------ dependencies

# What is missing is named by deps-check and installed by deps (Debian and Ubuntu; elsewhere it is listed). Only the tests need cmocka. What
# stands behind the + is wanted and not needed: it comes along where something is installed.
deps:
	@CC=$(call quote,$(CC)) CPPFLAGS=$(call quote,$(inc_flags) $(CPPFLAGS)) .ci/setup install $(needs) cmocka $(if $(filter auto,$(JPEG)),+ jpeg)

deps-check:
	@CC=$(call quote,$(CC)) CPPFLAGS=$(call quote,$(inc_flags) $(CPPFLAGS)) .ci/setup check $(needs)

# ----------------------------------------------------------------------------------------------------------------------- demo and test

# Both start make again after the packages are there, because the flags are asked of pkg-config when make starts.
parallel = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

demo: deps
	@+$(MAKE) --no-print-directory $(parallel) mpa
	@$(MAKE) --no-print-directory run-demo

test check: deps
	@+$(MAKE) --no-print-directory $(parallel) test-programs
	@$(MAKE) --no-print-directory run-tests

# A demo that was interrupted goes on where it stopped; one that was finished starts again. Threads that wait in a loop for work make a busy
# machine many times slower, and waking them costs more than a step of a small model: hence a bound on the wait.
run-demo:
	@GOMP_SPINCOUNT=$${GOMP_SPINCOUNT:-100000} conf/demo.sh demo

# After make demo: each aligned student on all four tasks. Which pairs to train on: the study's questions, over several seeds.
cross-task ablation: all
	@GOMP_SPINCOUNT=$${GOMP_SPINCOUNT:-100000} conf/demo.sh $@

test-programs: $(B)/mpa $(programs) $(shim)

run-tests:
	@MPA=$(B)/mpa SAN=$(call quote,$(SAN)) TORTURE_SHIM=$(shim) tests/run.sh $(programs) $(test_scripts)

# Fuzzing: by clang's libFuzzer under the sanitizers, or where that is not there by our own changes of golden/fuzz under gcc's.
libfuzzer = $(shell printf 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n);\nint LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p && n > 9; }\n' | \
    clang -fsanitize=fuzzer -x c -o /dev/null - 2>/dev/null && echo 1)
fuzz_build = $(if $(libfuzzer),CC=clang SAN=fuzzer-no-link$(comma)address$(comma)undefined,SAN=address$(comma)undefined) OPENMP=0 BLAS=none

fuzz: deps
	@+$(MAKE) --no-print-directory $(parallel) $(fuzz_build) $(if $(libfuzzer),run-fuzz,run-own-fuzz)

run-fuzz: $(B)/fuzz
	@tests/fuzz/fuzz.sh $(B)/fuzz $(READERS)

run-own-fuzz: $(B)/tests/fuzz/replay_test
	@tests/fuzz/fuzz.sh $(B)/tests/fuzz/replay_test $(READERS)

static:
	@tests/static/static.sh

# Valgrind 3.19 knows no AVX-512, and OpenMP's threads are never given back: the plain kernels, one thread. Of libraries nothing is known to the
# thread sanitizer, so they are left out.
memcheck: $(B)/mpa
	@MPA_KERNELS=plain OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=1 tests/static/checked_run.sh \
	    valgrind -q --error-exitcode=9 --leak-check=full $(B)/mpa

threadcheck:
	@+$(MAKE) --no-print-directory $(parallel) CC=clang SAN=thread run-threadcheck

run-threadcheck: $(B)/mpa
	@TSAN_OPTIONS=ignore_noninstrumented_modules=1 OMP_NUM_THREADS=4 OPENBLAS_NUM_THREADS=1 tests/static/checked_run.sh $(B)/mpa

torture: deps
	@+$(MAKE) --no-print-directory $(parallel) $(B)/mpa $(shim)
	@MPA=$(B)/mpa TORTURE_SHIM=$(shim) tests/torture/torture.sh $(EVERY) $(KILLS)
	@MPA=$(B)/mpa KILLS=50 tests/whole/level_kills_test.sh

check-rooms:
	@tests/rooms/rooms.sh

c_files = $(sort $(shell find src tests -name '*.[ch]'))

check-format:
	@clang-format --dry-run -Werror $(c_files)

format:
	@clang-format -i $(c_files)

# --------------------------------------------------------------------------------------------------------------------------- reference

# The programs in ref/ need Python with exactly these versions; nothing else in this Makefile needs Python.
ref-venv: build/venv/ready

build/venv/ready: ref/requirements.txt
	@mkdir -p build
	$(PYTHON) -m venv build/venv
	build/venv/bin/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	build/venv/bin/pip install --quiet -r ref/requirements.txt
	@touch $@

# What newer transformers writes and reads: two of its versions cannot stand in one environment.
.PHONY: ref-venv5 newer-folders round-trip
ref-venv5: build/venv5/ready

build/venv5/ready: ref/requirements5.txt
	@mkdir -p build
	$(PYTHON) -m venv build/venv5
	build/venv5/bin/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0 torchvision==0.28.0
	build/venv5/bin/pip install --quiet -r ref/requirements5.txt
	@touch $@

newer-folders: ref-venv5
	build/venv5/bin/python ref/newer_folders.py

# aligned/ and aligned/adapter in transformers 4.49 and 5.x and in PEFT: every key, and the logits.
round-trip: ref-venv ref-venv5 all
	build/venv/bin/python ref/round_trip.py
	build/venv5/bin/python ref/round_trip.py

# The list of all files with their hashes comes last.
golden: ref-venv
	@for program in $(sort $(wildcard ref/family_*.py ref/golden_*.py)) ref/manifest.py; do \
	    echo "$$program" && build/venv/bin/python "$$program" || exit 1; \
	done

world: ref-venv
	build/venv/bin/python ref/world.py
	mkdir -p build/world
	build/venv/bin/python ref/train_world.py teacher build/world/teacher read 38 answer 14 both 26 settle 13
	build/venv/bin/python ref/train_world.py student build/world/student read 30 see 35 answer 38 both 40
	for which in teacher student; do cp build/world/$$which/* weights/demo-$$which/ || exit 1; done

# Texts and tensors at the sizes of a model of each family, with random weights; models that memory is too short for are left out.
real-size: ref-venv all
	build/venv/bin/python ref/real_size.py

# Fine-tuning at real size, random weights: the memory that it takes beside the memory that it may take.
real-level: ref-venv all
	build/venv/bin/python ref/real_level.py $(CASES)

# Every text of the demo's run folders again by transformers.
demo-texts: ref-venv
	@for task in textvqa stvqa chartqa okvqa; do echo $$task; \
	    build/venv/bin/python ref/compare_run.py build/demo/$$task --teacher weights/demo-teacher --student weights/demo-student \
	        --images conf/world/$$task/train --test-images conf/world/$$task/test --prompt ref/prompts/$$task.txt || exit 1; done

# README's picture of the demo's report, after make demo.
report-picture:
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1100,840 \
	    --screenshot=doc/report.png file://$(CURDIR)/build/demo/okvqa/report.html

# mpa beside PyTorch on the shapes of the config.json files in CONFIG, cut to LAYERS layers and VOCABULARY tokens where given.
bench-torch: ref-venv all
	@[ -n "$(CONFIG)" ] || { echo "make bench-torch: wanted CONFIG=config.json, or several in quotes" >&2; exit 2; }
	@for config in $(CONFIG); do build/venv/bin/python ref/bench_torch.py --config "$$config" $(LAYERS:%=--layers %) $(VOCABULARY:%=--vocabulary %) || exit 1; done

# ----------------------------------------------------------------------------------------------------------------------------- install

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/share/doc/mpa
	install -m 755 mpa $(DESTDIR)$(PREFIX)/bin/mpa
	install -m 644 libmpa.a $(DESTDIR)$(PREFIX)/lib/libmpa.a
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/mpa
	@for h in $(headers:src/%=%); do \
	    install -d $(DESTDIR)$(PREFIX)/include/mpa/$$(dirname $$h) && \
	    install -m 644 src/$$h $(DESTDIR)$(PREFIX)/include/mpa/$$h || exit 1; \
	done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/mpa $(DESTDIR)$(PREFIX)/lib/libmpa.a
	rm -rf $(DESTDIR)$(PREFIX)/include/mpa $(DESTDIR)$(PREFIX)/share/doc/mpa

# The Python environment is kept: it takes minutes and a gigabyte to make. `rm -rf build` removes it too.
clean:
	rm -f mpa libmpa.a mpa.new libmpa.a.new
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name 'venv*' -exec rm -rf {} +; fi

dist:
	@mkdir -p build
	git archive --format=tar.gz --prefix=mpa-$(VERSION)/ -o build/mpa-$(VERSION).tar.gz HEAD
	@echo build/mpa-$(VERSION).tar.gz

help:
	@echo 'make                 build ./mpa and libmpa.a'
	@echo 'make demo            install what is missing, build, align a small student to its teacher on four tasks, print the table'
	@echo 'make test            install what is missing, build, run all tests (make check is the same)'
	@echo 'make static          gcc -fanalyzer, clang-tidy and cppcheck, those that are there: nothing that is not explained'
	@echo 'make memcheck        the four stages on the smallest models under valgrind: no error, no leak'
	@echo 'make threadcheck     the same, built by clang, under its thread sanitizer'
	@echo 'make fuzz            every reader of files, or READERS, for FUZZ_SECONDS=30 each or FUZZ_RUNS executions, under sanitizers'
	@echo 'make torture         the first call on each path fails and one of EVERY=$(EVERY) (memory, files), and KILLS=$(KILLS) kills of each stage, and 50 of each kind of training: the same files afterwards'
	@echo 'make deps            install what is missing (Debian, Ubuntu; elsewhere list it)'
	@echo 'make install         into PREFIX=$(PREFIX), below DESTDIR where given; make uninstall'
	@echo 'make clean           remove what was built, but for the Python environment'
	@echo 'make dist            build/mpa-$(VERSION).tar.gz from the last commit'
	@echo 'make check-rooms     no include goes up in the order of the folders, POSIX only in src/base'
	@echo 'make check-format    clang-format finds nothing to change; make format changes it'
	@echo 'make ref-venv        Python environment for ref/, in build/venv'
	@echo 'make golden          write golden/ anew with PyTorch and transformers'
	@echo 'make newer-folders   write those goldens anew that transformers 5.x makes (environment: build/venv5)'
	@echo 'make round-trip      what level writes, loaded by transformers 4.49 and 5.x and by PEFT: every key, and the logits'
	@echo 'make world           draw the demo'\''s pictures and train its teacher and student anew'
	@echo 'make real-size       greedy texts and traces against PyTorch at the sizes of a model of each family, random weights'
	@echo 'make real-level      fine-tuning at real size, random weights, and its largest memory; CASES="smolvlm lora epochs offload"'
	@echo 'make cross-task      after make demo: the student aligned on each task, scored on all four'
	@echo 'make ablation        which pairs to train on: parity, all, random, without the teacher'\''s check, labels; SEEDS=5'
	@echo 'make report-picture  after make demo: doc/report.png, which README shows, by Chromium'
	@echo 'make demo-texts      after make demo: every text that its models wrote, again by transformers'
	@echo 'make bench-torch     speed beside PyTorch on the shapes of CONFIG="FILE.json ..." (ref/shapes has some), cut to LAYERS=N and VOCABULARY=N'
	@echo
	@echo 'Options, with their defaults:'
	@echo '  BLAS=openblas|none   the matrix product: OpenBLAS, or plain C in a fixed order of summation'
	@echo '  OPENMP=1|0           threads'
	@echo '  JPEG=auto|turbo|stb  the JPEG decoder: libjpeg-turbo (the bits that Pillow gives) or stb_image; auto: libjpeg-turbo where it is'
	@echo '  KERNELS=cpu|plain    inner loops for the instruction sets of CPUs, chosen at run time (MPA_KERNELS=plain|avx2|avx512|amx forces one), or plain C'
	@echo '         |emulated     or those for matrix tiles (AMX) on any x86, slow, to test them'
	@echo '  NATIVE=0|1           code for the processor of this machine only'
	@echo '  SAN=LIST             sanitizers, as -fsanitize takes them: address,undefined or thread'
	@echo '  WERROR=0|1           a compiler warning is an error'
	@echo '  TORCH_INDEX=URL      ref-venv: the package index that has PyTorch built for the CPU alone (default: pip'"'"'s own)'
	@echo '  V=0|1                show the commands'
	@echo '  CC CPPFLAGS CFLAGS LDFLAGS LDLIBS   as usual, appended to what is needed'
