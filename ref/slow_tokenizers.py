"""Tokenizers that are no tokenizer.json, as their Python classes make them: InternLM2's, Llama's (transformers'
own, the slow one) and StableLM-2's, and small vocabularies for them. Nothing here writes a file by itself."""
import base64, io, json, os, unicodedata

import sentencepiece, tiktoken
from transformers import LlamaTokenizer, PreTrainedTokenizer

QWEN2_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                 r"|\s+(?!\S)|\s+")
ARCADE_SPECIALS = (
    "<|endoftext|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <gh_stars> <filename> <issue_start> "
    "<issue_comment> <issue_closed> <jupyter_start> <jupyter_text> <jupyter_code> <jupyter_output> <empty_output> "
    "<commit_before> <commit_msg> <commit_after> <reponame> <|endofprompt|> <|im_start|> <|im_end|> <|pause|> "
    "<|reg0|> <|reg1|> <|reg2|> <|reg3|> <|reg4|> <|reg5|> <|reg6|> <|reg7|> <|extra0|>").split()
PICTURE_TOKENS = "<img> </img> <IMG_CONTEXT> <quad> </quad> <ref> </ref> <box> </box>".split()


class InternLM2Tokenizer(PreTrainedTokenizer):
    """The rules of the class that InternLM2's checkpoints carry. What it does not override is transformers' own:
    cutting out added tokens, and joining the items of a decoded text."""

    vocab_files_names = {"vocab_file": "tokenizer.model"}

    def __init__(self, vocab_file, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>",
                 add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False, **rest):
        self.model = sentencepiece.SentencePieceProcessor(model_file=vocab_file)
        self.ends = add_bos_token, add_eos_token
        super().__init__(unk_token=unk_token, bos_token=bos_token, eos_token=eos_token, pad_token=pad_token,
                         clean_up_tokenization_spaces=clean_up_tokenization_spaces, **rest)

    @property
    def vocab_size(self):
        return len(self.model)

    def get_vocab(self):
        return {self.convert_ids_to_tokens(i): i for i in range(len(self.model))} | self.added_tokens_encoder

    def _tokenize(self, text):
        return self.model.encode(text, out_type=str)

    def _convert_token_to_id(self, token):
        return self.model.PieceToId(token)

    def _convert_id_to_token(self, index):
        return self.model.IdToPiece(index)

    def build_inputs_with_special_tokens(self, ids, more=None):
        first, last = self.ends
        return ([self.bos_token_id] if first else []) + ids + (more or []) + ([self.eos_token_id] if last else [])

    def convert_tokens_to_string(self, tokens):
        """Each run of pieces that a special token ends has a space in front, an empty one at the very start too."""
        text, run = "", []
        for i, token in enumerate(tokens):
            if token not in self.all_special_tokens:
                run.append(token)
                continue
            if run or i == 0:
                text += " "
            text += self.model.decode(run) + token
            run = []
        return self.clean_up_tokenization(text + self.model.decode(run))


class Arcade100kTokenizer:
    """The rules of StableLM-2's class over tiktoken: NFC first, special tokens in a text are tokens."""

    def __init__(self, folder):
        with open(os.path.join(folder, "arcade100k.tiktoken"), "rb") as f:
            lines = [line.split() for line in f.read().splitlines() if line]
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        first = max(ranks.values()) + 2
        special = {s: first + i for i, s in enumerate(ARCADE_SPECIALS)}
        self.first_special = first
        self.encoding = tiktoken.Encoding("arcade100k", pat_str=QWEN2_PATTERN, mergeable_ranks=ranks,
                                          special_tokens=special)

    def encode(self, text):
        return self.encoding.encode(unicodedata.normalize("NFC", text), allowed_special="all")

    def decode(self, ids, skip_special_tokens=False):
        return self.encoding.decode([i for i in ids if not (skip_special_tokens and i >= self.first_special)])


def pieces(texts, size, **options):
    """A tokenizer.model of about `size` pieces, byte pieces among them, trained on the texts; its bytes."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, model_type="bpe", vocab_size=size, num_threads=1,
        normalization_rule_name="identity", remove_extra_whitespaces=False, hard_vocab_limit=False,
        split_digits=True, allow_whitespace_only_pieces=True, minloglevel=2,
        **{"byte_fallback": True, "character_coverage": 0.985, **options})
    return out.getvalue()


def ranks(texts, size):
    """The bytes of a rank file: all bytes, and the pairs that are most frequent in the texts' words."""
    words = [[bytes([b]) for b in word] for t in texts for word in _split(t)]
    tokens = [bytes([b]) for b in list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256)) +
              list(range(33)) + list(range(127, 161)) + [173]]
    while len(tokens) < size:
        counts = {}
        for w in words:
            for pair in zip(w, w[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        best = max(sorted(counts), key=counts.get)
        if best[0] + best[1] not in tokens:
            tokens.append(best[0] + best[1])
        words = [_joined(w, best) for w in words]
    return b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))


def _split(text):
    """Words with the space before them, as bytes."""
    return [(" " + w if i else w).encode() for i, w in enumerate(text.split(" "))]


def _joined(word, pair):
    out, i = [], 0
    while i < len(word):
        step = 2 if tuple(word[i:i + 2]) == pair else 1
        out.append(b"".join(word[i:i + step]))
        i += step
    return out


def added(content, special=True, lstrip=False, rstrip=False):
    """A token as added_tokens_decoder of tokenizer_config.json has it."""
    return dict(content=content, lstrip=lstrip, normalized=False, rstrip=rstrip, single_word=False, special=special)


def write(folder, model, config):
    """A folder with tokenizer.model and tokenizer_config.json."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
        f.write(model)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump(config, f)


def opened(folder):
    """The tokenizer of such a folder, by the class that its configuration names."""
    with open(os.path.join(folder, "tokenizer_config.json")) as f:
        name = json.load(f)["tokenizer_class"]
    return {"InternLM2Tokenizer": InternLM2Tokenizer, "LlamaTokenizer": LlamaTokenizer}[name].from_pretrained(folder)
