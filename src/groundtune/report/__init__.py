"""The report: one HTML file that needs no network, made from records and nothing else."""

from groundtune.report.model import ReportInput
from groundtune.report.page import render, write_report

__all__ = ["ReportInput", "render", "write_report"]
