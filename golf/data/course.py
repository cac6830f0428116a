"""A course to play on without a network: this Python's own text as a tokenizer and shards, like the challenge's.

    datasets/pydocs_sp1024/   fineweb_train_000000.bin  fineweb_val_000000.bin  val.txt  manifest.json
    tokenizers/               pydocs_1024_bpe.model

The shards are named as the challenge names its own, so that its scripts find them. `val.txt` is what the validation
shard decodes to, byte for byte: the text that reference compressors are measured on. The manifest is written last
and carries the checksum of every file: a build that was killed halfway has none, and is done again.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from golf import durable
from golf.data import Progress, text, tokenizer
from golf.errors import MissingPackage, UnreadableInput
from golf.measure.shards import write_shard
from golf.schema import Noun

TEXT_BYTES_MIN = 1_000_000
"""Less than this is a Python without its library's sources, not a course."""


class Split(Noun):
    """One side of the text, and the shard made of it."""

    num_documents: int
    num_tokens: int
    """Tokens in the shard, one BOS per document included."""
    num_bytes: int
    """UTF-8 bytes of the documents: the bytes that bits per byte are counted over."""
    text_sha256: str
    """Of the documents one after the other."""

    @property
    def tokens_per_byte(self) -> float:
        return self.num_tokens / self.num_bytes


class Manifest(Noun):
    """`manifest.json`: what the files are made from, and their checksums."""

    recipe: dict[str, str]
    """Interpreter, SentencePiece, this package's code and the vocabulary: the same recipe gives the same files."""
    train: Split
    validation: Split
    files: dict[str, str]
    """Path relative to the course's folder, to SHA-256."""


@dataclass(frozen=True)
class Course:
    """A finished course; the properties are the places in it."""

    folder: Path
    vocab_size: int
    manifest: Manifest

    @property
    def data(self) -> Path:
        """Folder of the shards (DATA_PATH)."""
        return _data(self.folder, self.vocab_size)

    @property
    def tokenizer(self) -> Path:
        """SentencePiece model (TOKENIZER_PATH)."""
        return _tokenizer(self.folder, self.vocab_size)

    @property
    def train_shard(self) -> Path:
        return self.data / "fineweb_train_000000.bin"

    @property
    def validation_shard(self) -> Path:
        return self.data / "fineweb_val_000000.bin"

    @property
    def validation_text(self) -> Path:
        """UTF-8 text of the validation documents, one after the other, nothing between them."""
        return self.data / "val.txt"


def build_course(folder: Path, *, vocab_size: int = 1024, progress: Progress | None = None) -> Course:
    """The course in `folder`, built if it is not there, not whole, or made by another recipe.

    Raises:
        BadConfig: `vocab_size` cannot be had from this text.
        MissingPackage: sentencepiece is not installed.
        UnreadableInput: this Python has too little text of its own.
    """
    recipe = _recipe(vocab_size)
    found = find_course(folder, vocab_size=vocab_size)
    if found is not None and found.manifest.recipe == recipe:
        return found

    def report(what: str, done: int) -> None:
        if progress is not None:
            progress(what, done, 3)

    data = _data(folder, vocab_size)
    (data / "manifest.json").unlink(missing_ok=True)
    report("gathering text", 0)
    train, validation = _gather()
    report("training the tokenizer", 1)
    model = tokenizer.train_tokenizer(train, _tokenizer(folder, vocab_size), vocab_size)
    report("writing shards", 2)
    processor = tokenizer.load_tokenizer(model)
    shards = {data / "fineweb_train_000000.bin": train, data / "fineweb_val_000000.bin": validation}
    counts = [
        write_shard(path, tokenizer.encode_documents(documents, processor)).num_tokens
        for path, documents in shards.items()
    ]
    durable.replace(data / "val.txt", "".join(validation))
    files = [*shards, data / "val.txt", model]
    manifest = Manifest(
        recipe=recipe,
        train=_split(train, counts[0]),
        validation=_split(validation, counts[1]),
        files={path.relative_to(folder).as_posix(): _sha256(path) for path in files},
    )
    durable.replace_json(data / "manifest.json", manifest.model_dump())
    report("done", 3)
    return Course(folder, vocab_size, manifest)


def find_course(folder: Path, *, vocab_size: int = 1024) -> Course | None:
    """The course in `folder` if it is whole: a manifest, and every file as the manifest says; else None."""
    try:
        raw = (_data(folder, vocab_size) / "manifest.json").read_bytes()
        manifest = Manifest.model_validate_json(raw)
        whole = all(_sha256(folder / name) == sha256 for name, sha256 in manifest.files.items())
    except (OSError, ValidationError):
        return None
    return Course(folder, vocab_size, manifest) if whole else None


def _gather() -> tuple[list[str], list[str]]:
    """Train and validation documents, shuffled by their hash: a short run sees a sample, not the letter A."""
    splits: tuple[list[str], list[str]] = ([], [])
    for document in sorted(text.documents(), key=lambda document: hashlib.sha256(document.encode()).digest()):
        splits[text.is_validation(document)].append(document)
    found = sum(len(document.encode()) for split in splits for document in split)
    if found < TEXT_BYTES_MIN or not splits[1]:
        raise UnreadableInput(
            f"this Python ({sys.executable}) carries {found} bytes of text, and a course needs {TEXT_BYTES_MIN}: "
            "its library's source files or its documentation topics are missing. Use another Python, "
            "or fetch the challenge's data: golf data fineweb"
        )
    return splits


def _recipe(vocab_size: int) -> dict[str, str]:
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingPackage("sentencepiece is not installed. Install it: pip install sentencepiece") from error
    code = b"".join(Path(module).read_bytes() for module in (__file__, str(text.__file__), str(tokenizer.__file__)))
    return {
        "python": sys.version,
        "sentencepiece": sentencepiece.__version__,
        "code_sha256": hashlib.sha256(code).hexdigest(),
        "vocab_size": str(vocab_size),
    }


def _split(documents: list[str], num_tokens: int) -> Split:
    encoded = "".join(documents).encode()
    return Split(
        num_documents=len(documents),
        num_tokens=num_tokens,
        num_bytes=len(encoded),
        text_sha256=hashlib.sha256(encoded).hexdigest(),
    )


def _data(folder: Path, vocab_size: int) -> Path:
    return folder / "datasets" / f"pydocs_sp{vocab_size}"


def _tokenizer(folder: Path, vocab_size: int) -> Path:
    return folder / "tokenizers" / f"pydocs_{vocab_size}_bpe.model"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
