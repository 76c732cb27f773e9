"""GoldenGate's logins in the lab."""

from __future__ import annotations

from pathlib import Path

from infomart_lab import config as lab_config
from infomart_lab.goldengate.home import Home, encrypted_password


def test_an_encrypted_password_logs_in_only_where_it_is_said_to_be_encrypted(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path)
    home, password = Home(config, "site2"), config.password("site2", "GGATE")
    encrypted = encrypted_password(password)
    assert encrypted.isalnum() and encrypted.isupper() and len(encrypted) == 32
    assert home.check_login("ggate", password) is None
    assert home.check_login("ggate@GIM2", encrypted, encrypted=True) is None
    assert "ORA-01017" in (home.check_login("ggate", encrypted) or "")
    assert "ORA-01017" in (home.check_login("ggate", password, encrypted=True) or "")
