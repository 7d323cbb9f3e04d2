"""What runs when, and what the running app does when it is asked."""

from turnout.jobs.desk import Desk
from turnout.jobs.job import Job, run_jobs
from turnout.jobs.timetable import captures_of, following_of, jobs_of, sources_of
from turnout.jobs.turns import Turns

__all__ = [
    "Desk",
    "Job",
    "Turns",
    "captures_of",
    "following_of",
    "jobs_of",
    "run_jobs",
    "sources_of",
]
