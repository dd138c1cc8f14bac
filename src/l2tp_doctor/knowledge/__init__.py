"""What is known about L2TP/IPsec failures, as data files with thin, lazy loaders.

Nothing is read before it is asked for, and every text stands in Japanese and English side by side.
What articles are made of (checks, fixes, …) is in :mod:`l2tp_doctor.knowledge.entries`; no dial imports it.
"""

from l2tp_doctor.knowledge.catalogue import Experiment, experiment, experiment_ids
from l2tp_doctor.knowledge.cause_texts import Cause, CauseCodes, cause, cause_ids
from l2tp_doctor.knowledge.localized import LANGUAGES, Language, LocalizedText
from l2tp_doctor.knowledge.profile import (
    IpcpOptions,
    L2tpIdentity,
    LcpOptions,
    MainModeTransform,
    Profile,
    QuickModeOffer,
    QuickModeSuite,
    VendorId,
    profile,
    profile_names,
)
from l2tp_doctor.knowledge.rulebook import CauseRule, EvidenceRow, RuleBook, Separation, rulebook
from l2tp_doctor.knowledge.ui_texts import Texts, text, texts
from l2tp_doctor.knowledge.windows_codes import WindowsCode, windows_code, windows_codes

__all__ = [
    "LANGUAGES",
    "Cause",
    "CauseCodes",
    "CauseRule",
    "EvidenceRow",
    "Experiment",
    "IpcpOptions",
    "L2tpIdentity",
    "Language",
    "LcpOptions",
    "LocalizedText",
    "MainModeTransform",
    "Profile",
    "QuickModeOffer",
    "QuickModeSuite",
    "RuleBook",
    "Separation",
    "Texts",
    "VendorId",
    "WindowsCode",
    "cause",
    "cause_ids",
    "experiment",
    "experiment_ids",
    "profile",
    "profile_names",
    "rulebook",
    "text",
    "texts",
    "windows_code",
    "windows_codes",
]
