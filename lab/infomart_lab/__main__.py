"""``python -m infomart_lab``."""

from infomart_lab.cli import app

if __name__ == "__main__":
    app(prog_name="infomart_lab")
