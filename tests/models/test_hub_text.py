"""Networks for texts in the format of the Hugging Face hub; small and random ones, in folders."""

import json
import socket
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.data.text import TextData
from vicinal.errors import VicinalError
from vicinal.learner.checkpoint import load_weights, save_weights
from vicinal.mixing import ManifoldMixUp, Mix
from vicinal.models.hub_text import hub_text_model, save_hub_text
from vicinal.models.zoo import WeightsUnavailable

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

WORDS = ["one", "two", "three", "four", "five", "six", "what", "is", "a", "the", "?"]
ALL = {"vocab_size": 20, "num_labels": 3, "initializer_range": 0.5}
BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
DISTILBERT = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
DISTILBERT |= {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 20}
GPT2 |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
CONFIGS = {
    "bert": transformers.BertConfig(**ALL, **BERT),
    "distilbert": transformers.DistilBertConfig(**ALL, **DISTILBERT),
    "roberta": transformers.RobertaConfig(**ALL, **BERT, pad_token_id=0),
    "gpt2": transformers.GPT2Config(**ALL, **GPT2, bos_token_id=1, eos_token_id=1),
}


def words_tokenizer(is_decoder):
    """Words by number; an encoder's tokenizer puts a mark before and after each text."""
    marks = ["[UNK]", "[EOS]"] if is_decoder else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: i for i, word in enumerate([*marks, *WORDS])}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    if is_decoder:
        named = {"eos_token": "[EOS]"}
    else:
        tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        named = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", model_max_length=12, **named
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each kind of model, as ``save_pretrained`` leaves it."""
    made = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        made[name] = str(tmp_path_factory.mktemp(name))
        model = transformers.AutoModelForSequenceClassification.from_config(config)
        with torch.no_grad():  # as it is in pretrained models
            model.get_input_embeddings().weight[0] = 1.0
        model.save_pretrained(made[name])
        words_tokenizer(name == "gpt2").save_pretrained(made[name])
    return made


kinds = pytest.mark.parametrize("kind", list(CONFIGS))
texts = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=14), min_size=1, max_size=4)


def saved(folder):
    """The model and the tokenizer of a folder, as transformers reads them."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


@kinds
@settings(max_examples=5, deadline=None)
@given(words=texts)
def test_scores_of_a_batch_are_those_that_transformers_gives_for_each_text(folders, kind, words):
    given_texts = [" ".join(text) for text in words]
    model, tokenizer = hub_text_model(folders[kind], 3)
    theirs, hub = saved(folders[kind])
    with torch.no_grad():
        found = model.eval()(tokenizer.encode(given_texts))
        expected = [
            theirs(**hub(text, truncation=True, max_length=12, return_tensors="pt")).logits
            for text in given_texts
        ]
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, found.roll(1, 1), rtol=1e-3)


@kinds
def test_texts_of_a_data_set_are_cut_where_the_tokenizer_says(folders, kind):
    _, tokenizer = hub_text_model(folders[kind], 3)
    data = TextData(tokenizer, ["one " * 30, "one two"], torch.tensor([0, 1]))
    assert data.note == "1 of 2 texts have 12 tokens or more: the rest is cut"
    x, _ = data.__getitems__([0, 1])
    assert x["ids"].shape == (2, 12)
    assert torch.equal(x["ids"] == tokenizer.pad, ~x["mask"])


@kinds
def test_mixed_embeddings_are_of_texts_padded_with_zeros(folders, kind):
    """The wordMixup of Guo, Mao and Zhang (2019), of a longer and a shorter text."""
    model, tokenizer = hub_text_model(folders[kind], 3)
    both = ["what is the one ?", "three"]
    mixup = ManifoldMixUp(model, ["embedding"], maximum="mask", seed=0)
    x, y = mixup(tokenizer.encode(both), torch.arange(2))
    model.train()  # without dropout
    found = model(x)
    first, second = y.weight.tolist()

    # By hand, and the longer text is that of the mix: with it, padding is nowhere.
    theirs, hub = saved(folders[kind])
    ids = [hub(text, return_tensors="pt")["input_ids"] for text in both]
    longer, shorter = (theirs.get_input_embeddings()(row) for row in ids)
    missing = torch.zeros(1, longer.shape[1] - shorter.shape[1], longer.shape[2])
    parts = [missing, shorter] if kind == "gpt2" else [shorter, missing]
    shorter = torch.cat(parts, dim=1)
    mixed = torch.cat([torch.lerp(shorter, longer, first), torch.lerp(longer, shorter, second)])
    expected = torch.cat([theirs(inputs_embeds=row[None]).logits for row in mixed])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@kinds
def test_padding_learns_nothing_and_stays_zero(folders, kind):
    model, tokenizer = hub_text_model(folders[kind], 3)
    x = tokenizer.encode(["one two three", "?"])
    embedding = model.model.get_input_embeddings()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(x).logsumexp(dim=1).sum().backward()
        optimizer.step()
    assert not embedding.weight[tokenizer.pad].any()
    assert embedding.weight.grad.any()


@pytest.mark.parametrize(
    ("kind", "layer"), [("bert", "classifier"), ("distilbert", "classifier"), ("gpt2", "score")]
)
def test_a_mix_of_sentences_is_one_before_the_last_layer(folders, kind, layer):
    model, tokenizer = hub_text_model(folders[kind], 3)
    model.train()  # without dropout
    x = tokenizer.encode(["what is six ?", "four ?", "one two three"])
    mixup = ManifoldMixUp(model, ["sentence"], seed=0)
    _, y = mixup(x, torch.arange(3))
    found = model(x)
    mix = Mix(y.partner, y.weight)
    last = getattr(model.model, layer)
    last.register_forward_pre_hook(lambda module, args: (mix(args[0]),))
    torch.testing.assert_close(found, model(x))


@kinds
def test_a_model_comes_back_from_what_was_saved_of_it(folders, kind, tmp_path):
    model, tokenizer = hub_text_model(folders[kind], 5)
    save_hub_text(tokenizer, tmp_path / "hub")
    save_weights(model, tmp_path / "weights.safetensors")
    again, its_tokenizer = hub_text_model(str(tmp_path / "hub"), 5, pretrained=False)
    load_weights(again, tmp_path / "weights.safetensors")
    given_texts = ["what is six ?", "four"]
    x = its_tokenizer.encode(given_texts)
    assert torch.equal(x["ids"], tokenizer.encode(given_texts)["ids"])
    assert torch.equal(again.eval()(x), model.eval()(x))
    assert its_tokenizer.max_length == tokenizer.max_length


def test_a_last_layer_for_other_classes_begins_anew(folders):
    model, tokenizer = hub_text_model(folders["bert"], 7)
    assert model(tokenizer.encode(["one"])).shape == (1, 7)
    theirs, _ = saved(folders["bert"])
    ours = model.model.bert.encoder.state_dict()
    assert all(torch.equal(ours[k], v) for k, v in theirs.bert.encoder.state_dict().items())


def copied(folder, to, change=None, without=()):
    """A folder's files but for some, its configuration changed."""
    to.mkdir()
    for file in Path(folder).iterdir():
        if file.name not in without:
            (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**config, **(change or {})}))
    return str(to)


def test_what_a_folder_lacks_is_reported(folders, tmp_path):
    bert = folders["bert"]
    weightless = copied(bert, tmp_path / "weightless", without=["model.safetensors"])
    with pytest.raises(WeightsUnavailable, match=r"weightless cannot be loaded \(.*safetensors"):
        hub_text_model(weightless, 3)
    assert hub_text_model(weightless, 3, pretrained=False)
    (tmp_path / "weightless" / "pytorch_model.bin").write_bytes(b"a pickle, which is code")
    with pytest.raises(WeightsUnavailable, match="cannot be loaded"):
        hub_text_model(weightless, 3)
    broken = copied(bert, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(WeightsUnavailable, match="broken cannot be loaded"):
        hub_text_model(broken, 3)
    wordless = copied(bert, tmp_path / "wordless", without=["tokenizer.json"])
    with pytest.raises(WeightsUnavailable, match="wordless cannot be loaded"):
        hub_text_model(wordless, 3)
    strange = copied(bert, tmp_path / "strange", {"model_type": "strange"})
    with pytest.raises(WeightsUnavailable, match="strange cannot be loaded"):
        hub_text_model(strange, 3)
    wider = copied(bert, tmp_path / "wider", {"hidden_size": 32})
    with pytest.raises(WeightsUnavailable, match="wider has weights of another model"):
        hub_text_model(wider, 3)


def test_code_that_comes_with_a_model_is_not_run(folders, tmp_path):
    code = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    change = {"model_type": "own", "auto_map": code}
    folder = copied(folders["bert"], tmp_path / "own", change)
    (tmp_path / "own" / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(WeightsUnavailable, match=r"own cannot be loaded .*custom code"):
        hub_text_model(folder, 3)
    assert not (tmp_path / "ran").exists()


def test_a_model_that_takes_no_embeddings_is_refused(tmp_path):
    config = transformers.BartConfig(
        vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, num_labels=3,
        pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3,
    )  # fmt: skip
    transformers.BartForSequenceClassification(config).save_pretrained(tmp_path)
    words_tokenizer(is_decoder=False).save_pretrained(tmp_path)
    with pytest.raises(VicinalError, match="takes no embeddings with a mask"):
        hub_text_model(str(tmp_path), 3)


def test_a_model_whose_scores_depend_on_padding_is_refused(folders, monkeypatch):
    forward = transformers.BertModel.forward

    def unmasked(self, *args, attention_mask=None, **kwargs):
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(transformers.BertModel, "forward", unmasked)
    with pytest.raises(VicinalError, match="depend on padding: use another model"):
        hub_text_model(folders["bert"], 3)


def test_a_tokenizer_that_gives_types_within_a_text_is_refused(folders, tmp_path):
    folder = copied(folders["bert"], tmp_path / "typed")
    typed = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    typed.post_processor = tokenizers.processors.TemplateProcessing(
        "$A [CLS]:1", None, [("[CLS]", 2)]
    )
    typed.save(f"{folder}/tokenizer.json")
    config = json.loads((tmp_path / "typed" / "tokenizer_config.json").read_text())
    config["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (tmp_path / "typed" / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(VicinalError, match="typed needs token types"):
        hub_text_model(folder, 3)


def test_a_hub_that_cannot_be_reached_is_reported_at_once(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("vicinal.models.hub_text.getproxies", dict)
    with pytest.raises(WeightsUnavailable, match="hf:no-such/model is not on this machine, and"):
        hub_text_model("hf:no-such/model", 3)


def test_names_that_can_be_none_are_refused(tmp_path):
    with pytest.raises(WeightsUnavailable, match="missing is no folder"):
        hub_text_model(str(tmp_path / "missing"), 3)
    with pytest.raises(WeightsUnavailable, match="hf:a/b/c names no model"):
        hub_text_model("hf:a/b/c", 3)
