"""``python -m l2tp_doctor``."""

from l2tp_doctor.cli.main import run

if __name__ == "__main__":
    run()
