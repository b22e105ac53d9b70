"""A Qwen3 of a few thousand weights whose every word is one call of the tool `edit`, so that it directs untrained."""

import json
from importlib.resources import files

ACTIONS = [
    "<action>add</action><operator>Verify</operator>",
    "<action>add</action><structure>parallel</structure><operators>Programmer, Custom</operators>",
    "<action>add</action><operator>ScEnsemble</operator>",
    "no action",
]
CALLS = [
    f"<tool_call>\n{json.dumps({'name': 'edit', 'arguments': {'action': action}})}\n</tool_call>" for action in ACTIONS
]


def tokenizer():
    """Bytes, and each call as one token; chats are written as Qwen3 writes them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    core.add_tokens([AddedToken(call, normalized=False) for call in CALLS])
    core.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|endoftext|>"])
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    )
    made.chat_template = (files("trl") / "chat_templates" / "qwen3.jinja").read_text("utf-8")
    return made


def save(folder):
    """Write the model and its tokenizer down; it says calls only."""
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    words = tokenizer()
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id, max_position_embeddings=16_384,
    )  # fmt: skip
    sayable = {words.convert_tokens_to_ids(call) for call in CALLS}
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        suppress_tokens=[number for number in range(len(words)) if number not in sayable],
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
    )  # fmt: skip
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)
