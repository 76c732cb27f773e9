"""A lab of the tests comes up elsewhere when another program has its ports."""

from __future__ import annotations

import os
import socket
import warnings
from pathlib import Path

import psycopg
import pytest
from tests import ports

from infomart_lab import config as lab_config
from infomart_lab.config import Site
from infomart_lab.postgres import Cluster

pytestmark = pytest.mark.lab


def test_a_lab_comes_up_elsewhere_when_a_listener_has_its_first_port(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ports.block() as meant:
            pass
    with (
        socket.create_server((ports.ADDRESS, meant)),
        pytest.warns(UserWarning, match=rf"{meant} \(process {os.getpid()}"),
        ports.block() as found,
    ):
        sites = {"site1": Site(name="site1", info_mart=False)}
        config = lab_config.create(tmp_path / "lab", base_port=found, sites=sites)
        cluster = Cluster(config, "site1")
        try:
            cluster.start()
            with psycopg.connect(config.postgres_dsn("site1", "postgres")) as connection:
                row = connection.execute("show port").fetchone()
        finally:
            cluster.stop()
    assert row == (str(found),) and found != meant
