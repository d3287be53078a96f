"""Doctor, first part: the history of each dataset, and the files that its versions name."""

from __future__ import annotations

from pathlib import Path

from ragstone.errors import DamagedFile
from ragstone.storage import erasures, manifests, maps
from ragstone.storage.examination import BACKUP, PARTS_FIRST, REBUILD, Dataset, Examination
from ragstone.storage.files import FileStamp, verify
from ragstone.storage.manifests import GenerationRef, Manifest, SegmentRef
from ragstone.storage.retention import COLLECTED_FILE, Collected
from ragstone.storage.sealed import RESPELT, read_sealed, respelt

_TAG = "Remove the tag with ragstone tag, and set it again."
_OLD_INDEX = (
    "Restore it from a backup, or give the version up with ragstone gc; search by meaning and all "
    "other versions are not affected."
)
_LEFTOVER = "Run ragstone doctor --rebuild to move it aside, or ragstone gc to delete it."

# ---------------------------------------------------------------- manifests, tags, receipts


def examine_history(exam: Examination, dataset: Dataset) -> None:
    """Check that the versions of a dataset follow each other, kept or given up; and its tags."""
    where = dataset.folder / COLLECTED_FILE
    if isinstance(dataset.collected, DamagedFile):
        exam.find("manifests", where, dataset.collected.message, BACKUP)
    elif dataset.collected:
        _examine_spelling(exam, "manifests", where)
    numbers = {*dataset.numbers, *dataset.collected_ones}
    for number in sorted(numbers):
        exam.checks["manifests"] += 1
        _examine_version(exam, dataset, number)
    known = not isinstance(dataset.collected, DamagedFile)
    for number in set(range(1, max(numbers, default=0))) - numbers if known else ():
        path = manifests.version_path(dataset.folder, number)
        exam.complete = False
        exam.find("manifests", path, "it is missing, and gc has not removed it", BACKUP)
    for path in dataset.tags:
        _examine_tag(exam, dataset, path)


def _examine_version(exam: Examination, dataset: Dataset, number: int) -> None:
    path = manifests.version_path(dataset.folder, number)
    entry = dataset.collected_ones.get(number)
    version: Manifest | Collected
    if entry and number in dataset.numbers:
        exam.find("manifests", path, "gc has removed this version", "Open the workspace again.")
    try:
        version = entry or manifests.read(path)
    except DamagedFile as error:
        exam.complete = False
        exam.find("manifests", path, error.message, BACKUP)
        return
    if not entry:
        _examine_spelling(exam, "manifests", path)
    dataset.digests[number] = version.digest
    before = dataset.digests.get(number - 1)
    if number == 1:
        follows = version.parent is None
    else:  # what cannot be read was named already
        follows = version.parent == before if before else version.parent is not None
    if isinstance(version, Manifest):
        dataset.readable.append(number)
        exam.removed |= manifests.unpack_bitmap(version.removed_items)
        follows = follows and (version.dataset_id, version.version) == (dataset.id, number)
    if not follows:
        exam.find("manifests", path, "it does not continue the version before it", BACKUP)


def _examine_tag(exam: Examination, dataset: Dataset, path: Path) -> None:
    exam.checks["tags"] += 1
    tag = dataset.tags[path]
    if isinstance(tag, DamagedFile):
        remedy = "Restore the file from a backup, or delete it and set the tag again."
        exam.find("tags", path, tag.message, remedy)
    elif tag.name != path.stem:
        exam.find("tags", path, f"it says that its name is {tag.name!r}", _TAG)
    elif tag.version not in dataset.numbers:
        exam.find("tags", path, f"it names version {tag.version}, which is not kept", _TAG)
    elif dataset.digests.get(tag.version, tag.digest) != tag.digest:
        exam.find("tags", path, f"it means another version {tag.version}", _TAG)
    else:
        _examine_spelling(exam, "tags", path, indent=None)


def examine_receipts(exam: Examination) -> None:
    """Check that the receipts of erasures can be read: they say what versions consist of."""
    for path in sorted((exam.root / "forgets").glob("[!.]*.json")):
        exam.checks["erasures"] += 1
        try:
            erasures.read(path)
        except DamagedFile as error:
            exam.complete = False
            exam.find("erasures", path, error.message, BACKUP)
        else:
            _examine_spelling(exam, "erasures", path)


def _examine_spelling(exam: Examination, check: str, path: Path, indent: int | None = 1) -> None:
    """Check that JSON which says what it said is also spelt as it was, byte for byte."""
    if respelt(path, indent):
        exam.find(check, path, RESPELT, BACKUP)


# ---------------------------------------------------------------- files


def examine_files(exam: Examination) -> None:
    """Compare every file that some version names with its stamp, each once."""
    for dataset in exam.seen.datasets:
        for manifest in exam.versions(dataset):
            dataset.generation = manifest.keywords.path if manifest.keywords else ""
            for part in manifest.parts:
                files = {f"{part.path}/{name}": stamp for name, stamp in part.files.items()}
                _examine_stamps(exam, files, BACKUP)
            _examine_stamps(exam, {pairs.path: pairs.file for pairs in manifest.pairs}, BACKUP)
        if dataset.numbers[-1:] != dataset.readable[-1:]:
            dataset.generation = ""
    heads = {dataset.generation for dataset in exam.seen.datasets}
    for dataset in exam.seen.datasets:
        for manifest in exam.versions(dataset):
            for segment in manifest.segments:
                _examine_segment(exam, manifest, segment)
            if manifest.keywords:
                _examine_generation(exam, manifest, manifest.keywords, heads)


def _examine_segment(exam: Examination, manifest: Manifest, segment: SegmentRef) -> None:
    whole = all(exam.part_whole(part.path, segment.space) for part in manifest.parts)
    remedy = REBUILD if whole else PARTS_FIRST
    if not _examine_stamps(exam, {segment.path: segment.file}, remedy):
        exam.bad_indexes.add(segment.path)


def _examine_generation(
    exam: Examination, manifest: Manifest, generation: GenerationRef, heads: set[str]
) -> None:
    whole = all(exam.tables_whole(part.path) for part in manifest.parts)
    remedy = REBUILD if whole else PARTS_FIRST
    if generation.path not in heads:
        remedy = _OLD_INDEX
    files = {f"{generation.path}/{name}": stamp for name, stamp in generation.files.items()}
    if not _examine_stamps(exam, files, remedy):
        exam.bad_indexes.add(generation.path)


def _examine_stamps(exam: Examination, files: dict[str, FileStamp], remedy: str) -> bool:
    """Return whether all `files` are as promised; each is read once, however often it is named."""
    for path, promised in files.items():
        if path in exam.verified:
            continue
        exam.verified.add(path)
        exam.checks["files"] += 1
        try:
            verify(exam.root / path, promised)
        except DamagedFile as error:
            exam.broken.add(path)
            exam.find("files", path, error.message, remedy)
    return exam.broken.isdisjoint(files)


def examine_maps(exam: Examination) -> None:
    """Check the maps of the versions; a damaged one is made again when it is asked for."""
    for dataset in exam.seen.datasets:
        for manifest in exam.versions(dataset):
            for where in sorted(maps.named(exam.root, manifest)):
                exam.checks["maps"] += 1
                exam.verified.add(where)
                try:
                    read_sealed(exam.root / where)
                except DamagedFile as error:
                    exam.bad_maps.append(exam.root / where)
                    exam.find("maps", where, error.message, REBUILD)


# ---------------------------------------------------------------- leftovers


def examine_leftovers(exam: Examination) -> None:
    """Find what nobody names; nothing while a manifest or receipt cannot be read."""
    if not exam.complete:
        return
    named = {path for path in exam.verified if "/" in path}
    folders = {str(Path(path).parent) for path in named}
    whole: set[Path] = set()  # folders that nobody names, with all they hold
    for path in exam.seen.candidates:
        exam.checks["leftovers"] += 1
        where = path.relative_to(exam.root).as_posix()
        if where in folders:
            exam.leftovers += [
                file
                for file in sorted(path.iterdir())
                if f"{where}/{file.name}" not in named and file.suffix != ".lock"
            ]
        elif where not in named and not whole.intersection(path.parents):
            whole.add(path)
            exam.leftovers.append(path)
    for path in exam.leftovers:
        exam.find("leftovers", path, "no version names it", _LEFTOVER)
