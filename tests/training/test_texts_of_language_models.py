"""Texts of language models: read line by line, kept as one array of tokens."""

import tracemalloc

import pytest

from vsr.core.errors import VsrError
from vsr.text.tokenizer import CharTokenizer
from vsr.training.language import TextDataset, read_texts

TOKENIZER = CharTokenizer("ab ")


def test_sentences_are_kept_as_their_tokens(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfab b\r\n\r\nB A.\nabababab\nba")
    data = TextDataset(read_texts([str(path)]), TOKENIZER, 5, excluded={"b a"})
    assert (len(data), data.num_excluded, data.num_unusable) == (2, 1, 2)
    batch = data.batch([1, 0])
    assert batch.tokens.tolist() == [TOKENIZER.encode("ba") + [-1, -1], TOKENIZER.encode("ab b")]
    assert data.sampler(10, shuffle=False).batches() == [[1, 0]]


def test_a_large_text_takes_the_memory_of_its_tokens(tmp_path):
    (tmp_path / "text.txt").write_text(4000 * "abab abab abab abab\n")
    tracemalloc.start()
    data = TextDataset(read_texts([str(tmp_path / "text.txt")]), TOKENIZER, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / len(data) < 3 * 4 * 19  # 19 tokens of four bytes, and an array that grows


def test_a_text_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"ab\n\xff\xfe")
    with pytest.raises(VsrError, match="cannot read the text"):
        TextDataset(read_texts([str(tmp_path / "text.txt")]), TOKENIZER, 100)
