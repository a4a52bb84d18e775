"""The commands of ``kinema``: each is a function whose parameters are the options, and whose docstring is their help.

Nothing heavy is imported here; a command imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kinema.commands.evaluation import evaluate, evaluate_triplets
from kinema.commands.flow import evaluate_flow, export_flow, extract, import_flow, list_estimators, show_flow
from kinema.commands.info import info
from kinema.commands.labelling import compare_labels, label, predict
from kinema.commands.labels import (
    convert_labels,
    export_labels,
    import_labels,
    list_labels,
    redo_labels,
    rename_labels,
    show_history,
    undo_labels,
)
from kinema.commands.overview import report, write_snippets
from kinema.commands.reproducing import list_recipes, reproduce
from kinema.commands.search import copy, embed, index, search, watch
from kinema.commands.serve import serve
from kinema.commands.training import ablate_hcml, ablate_mscl, demo, finetune, pretrain
from kinema.commands.videos import check, scan, synth
from kinema.commands.weights import export, weights


class Command(NamedTuple):
    """A command of ``kinema``."""

    function: Callable[..., None]
    summary: str
    positionals: tuple[str, ...] = ()
    """Names of the parameters that are given without a name."""
    common: tuple[str, ...] = ()
    """Names of the options that its help begins with; all parameters of the function if there are none."""


COMMANDS = {
    "info": Command(info, "Say what is installed, what is missing, and what it can do."),
    "demo": Command(
        demo,
        "Make videos, train RGB MoCo and MSCL on them, compare, write a report.",
        (),
        ("out", "videos", "steps", "seed"),
    ),
    "synth": Command(
        synth,
        "Write synthetic videos whose motion and appearance are independent.",
        ("out",),
        ("videos", "seed", "difficulty", "size", "frames", "fps", "test_share", "workers", "kinds"),
    ),
    "scan": Command(scan, "Write down what each video of a folder holds, and what is wrong with it.", ("folder",)),
    "data check": Command(check, "Say what of a standard benchmark a folder holds, and what to do.", ("name", "root")),
    "labels convert": Command(
        convert_labels,
        "Convert labels of stretches of videos from one tool's format to another's.",
        ("source", "target"),
    ),
    "labels compare": Command(
        compare_labels, "Say how two files of labels agree: kappa, by frame and by bout.", ("a", "b")
    ),
    "labels import": Command(import_labels, "Bring a file of labels into an index.", ("file",)),
    "labels export": Command(export_labels, "Write the labels of an index to another tool's file.", ("file",)),
    "labels list": Command(list_labels, "List the classes of an index's labels."),
    "labels history": Command(show_history, "Show who changed an index's labels when."),
    "labels rename": Command(rename_labels, "Rename a class of an index's labels, or merge it.", ("old", "new")),
    "labels undo": Command(undo_labels, "Undo a change of an index's labels."),
    "labels redo": Command(redo_labels, "Do a change of an index's labels again."),
    "labels snippets": Command(
        write_snippets,
        "Write moving pictures and clips of each class of labels.",
        ("folder",),
        ("index", "labels", "videos", "count", "order", "clips"),
    ),
    "pretrain": Command(
        pretrain,
        "Train an encoder on a folder of videos, without labels.",
        ("videos",),
        ("out", "method", "preset", "steps", "weights", "resume", "dry_run"),
    ),
    "finetune": Command(
        finetune,
        "Train a network to recognise classes, and test it.",
        ("videos",),
        ("out", "labels", "label_column", "weights", "preset", "steps", "resume", "dry_run"),
    ),
    "ablate mscl": Command(
        ablate_mscl,
        "What does each part of MSCL bring? Its ladder on synthetic videos.",
        ("out",),
        ("difficulty", "videos", "seeds", "only", "steps"),
    ),
    "ablate hcml": Command(
        ablate_hcml,
        "What does each part of HCML bring to few labels? Its ladder.",
        ("out",),
        ("difficulty", "videos", "per_class", "seeds", "only", "steps"),
    ),
    "evaluate": Command(
        evaluate,
        "Measure what an encoder has learned, on labelled videos.",
        ("protocol", "run"),
        ("data", "out", "labels", "label_column", "group_column", "benchmark", "jitter", "shaken"),
    ),
    "evaluate triplets": Command(
        evaluate_triplets,
        "Ask whether a clip of the same motion is nearer than one of another.",
        ("folder",),
        ("encoder", "out", "clips", "device"),
    ),
    "reproduce": Command(reproduce, "Make an encoder of the results anew, judge it and compare.", ("name",)),
    "reproduce --list": Command(list_recipes, "List the results that can be reproduced."),
    "weights": Command(weights, "Say what a file of weights holds, and make an encoder of it.", ("file",)),
    "export": Command(export, "Write an encoder as ONNX, for torch.export, or for the Hub.", ("format", "run")),
    "embed": Command(
        embed,
        "Write the vectors of a folder's videos to a Parquet file.",
        ("folder",),
        ("out", "encoder", "length", "stride", "crop", "thumbnails", "batch_size", "workers", "device", "cluster"),
    ),
    "index": Command(
        index,
        "Index a folder of videos, or bring its index up to date.",
        ("folder",),
        ("index", "encoder", "length", "stride", "mirror", "crop", "batch_size", "workers", "device", "cluster"),
    ),
    "copy": Command(copy, "Copy an index from a folder to a server, or back.", ("source", "target")),
    "search": Command(
        search,
        "Find the places in an index that move like a clip.",
        ("clip",),
        ("index", "start", "end", "own", "top", "by", "out", "path"),
    ),
    "label": Command(
        label,
        "Label all videos of an index, taught by a few labelled intervals.",
        (),
        ("index", "labels", "classifier", "out", "save", "background", "enter", "leave", "shortest"),
    ),
    "report": Command(
        report,
        "Write a page on an index: classes, moving pictures, ethograms.",
        (),
        ("index", "out", "labels", "count", "order"),
    ),
    "predict": Command(
        predict,
        "Label videos by a network that finetune trained.",
        ("videos",),
        ("model", "out", "windows", "enter", "leave", "shortest"),
    ),
    "watch": Command(
        watch,
        "Label the windows of a video, camera or stream as they come.",
        ("source",),
        ("classifier", "index", "bouts", "out", "device"),
    ),
    "serve": Command(
        serve,
        "Search one's own videos on a page in the browser.",
        (),
        ("index", "host", "port", "encoder", "names", "max_upload", "device", "open"),
    ),
    "flow extract": Command(
        extract,
        "Write the flow of every video of a folder to a store.",
        ("videos",),
        ("out", "estimator", "short_side", "workers", "device", "cluster"),
    ),
    "flow import": Command(
        import_flow,
        "Put flow that other tools extracted into a store.",
        ("folder", "videos"),
        ("out", "bound", "step", "short_side"),
    ),
    "flow export": Command(export_flow, "Write a store's flow as pictures or .flo files.", ("store",)),
    "flow evaluate": Command(evaluate_flow, "Compare estimators of optical flow with true flow.", ("truth",)),
    "flow show": Command(show_flow, "Draw a video beside its optical flow and how that changes.", ("video",)),
    "flow --list": Command(list_estimators, "List the estimators of optical flow and their settings."),
}
"""By name, in the order of the overview; a name of two words belongs to a group, such as ``flow extract``."""
