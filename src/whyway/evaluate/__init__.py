"""Logs -> verdicts: metrics, faithfulness, reports, suites. Reads logs only, never live objects."""

from whyway.evaluate.drive import ScoreError
from whyway.evaluate.score import SceneScore, score

__all__ = ["SceneScore", "ScoreError", "score"]
