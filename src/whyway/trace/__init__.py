"""The typed trace: what a trajectory does in words, whether words and action agree, and sentences."""

from whyway.trace.integrity import agreement, complete, grounded
from whyway.trace.meta_actions import MetaActions, meta_actions
from whyway.trace.sentences import sentence

__all__ = ["MetaActions", "agreement", "complete", "grounded", "meta_actions", "sentence"]
