/* Fields of a TinyLLaVA folder to spoil one at a time (bad_folder_test.c). */
#include "model/family/tinyllava/row.h"

const WrongField tinyllava_wrong_fields[] = {
    {"config.json", "hidden_size", "0", "hidden_size"},
    {"config.json", "hidden_size", "20", "embed_tokens"},
    {"config.json", "num_attention_heads", "3", "num_attention_heads"},
    {"config.json", "num_key_value_heads", "1", "k_proj"},
    {"config.json", "num_hidden_layers", "1", "model.layers.1"},
    {"config.json", "num_hidden_layers", "9", "model.layers.2"},
    {"config.json", "vocab_size", "100", "embed_tokens"},
    {"config.json", "hidden_act", "\"gelu\"", "hidden_act"},
    {"config.json", "use_qkv_bias", "false", "self_attn.k_proj.bias"},
    {"config.json", "use_parallel_residual", "true", "use_parallel_residual"},
    {"config.json", "qk_layernorm", "true", "qk_layernorm"},
    {"config.json", "rope_pct", "0.1", "rope_pct"},
    {"config.json", "rope_pct", "\"half\"", "rope_pct"},
    {"config.json", "norm_eps", "-1", "norm_eps"},
    {"config.json", "tie_word_embeddings", "true", "lm_head"},
    {"config.json", "image_aspect_ratio", "\"anyres\"", "image_aspect_ratio"},
    {"config.json", "vision_config", "[]", "vision_config"},
    {"config.json", "vision_config.num_hidden_layers", "1", "vision_config.num_hidden_layers"},
    {"config.json", "vision_config.num_hidden_layers", "2", "vision_model.encoder.layers.1"},
    {"config.json", "vision_config.num_attention_heads", "3", "num_attention_heads"},
    {"config.json", "vision_config.image_size", "3", "image_size"},
    {"config.json", "vision_config.patch_size", "6", "patch_embedding"},
    {"config.json", "vision_config.hidden_act", "\"gelu\"", "vision_config.hidden_act"},
    {0},
};
