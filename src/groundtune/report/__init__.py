"""The report: one HTML file that works offline, built from records alone."""

from groundtune.report.model import ReportInput
from groundtune.report.page import render, write_report

__all__ = ["ReportInput", "render", "write_report"]
