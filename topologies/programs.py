"""From what a manifest says to what the execution engine is told."""

import logging
import threading
from typing import Final

from streams.execution.instance import NO_DEPLOYMENT
from streams.execution.program import Ceilings, Program, Specification, load
from streams.filesystem.compiled import CompiledModules, keep_in
from streams.filesystem.store import FileStore
from streams.registry.deployments import Deployment, decode_deployment
from streams.registry.manifest import Manifest
from streams.registry.view import Registry
from streams.wallet.keys import KeyFileError, load_or_create_secret
from topologies.config import Settings

log = logging.getLogger(__name__)

_KEPT: Final = 2  # before and after a barrier: partitions pass it at different times


def keep_compiled(settings: Settings) -> None:
    """Have this process use what the node has compiled before, and keep what it compiles."""
    try:
        keep_in(compiled_modules(settings))
    except (KeyFileError, OSError) as error:
        log.warning("programs are compiled at every start: %s", error)


def compiled_modules(settings: Settings) -> CompiledModules:
    """What the node has compiled.

    Raises:
        KeyFileError: the secret's file is readable by others, or holds none.
        OSError: it cannot be made.
    """
    return CompiledModules(
        FileStore(settings.files_url), load_or_create_secret(settings.compiled_key)
    )


class DeploymentUnavailable(RuntimeError):
    """What a barrier put in charge cannot be loaded: the Dapp waits, and tries again."""


class Programs:
    """The programs of a Dapp's deployments, loaded from the file store; for several threads."""

    def __init__(self, registry: Registry, files: FileStore, dapp: str) -> None:
        self._registry = registry
        self._files = files
        self._dapp = dapp
        self._loaded: dict[str, Program] = {}
        self._lock = threading.Lock()

    def __call__(self, deployment: bytes) -> Program:
        """The program of a deployment, by its SHA-256; of `NO_DEPLOYMENT`, the Dapp's first.

        Raises:
            DeploymentUnavailable: says what is missing and what to do.
        """
        dapp = self._registry.dapp(self._dapp)
        if dapp is None:
            raise DeploymentUnavailable(f"the node does not serve {self._dapp}")
        name = dapp.first_sha256 if deployment == NO_DEPLOYMENT else deployment.hex()
        with self._lock:
            if name not in self._loaded:
                try:
                    if name == dapp.deployment_sha256:
                        wanted = dapp.deployment
                    else:
                        wanted = decode_deployment(self._files.get(name))
                    program = self._load(wanted)
                except (ValueError, OSError) as error:
                    raise DeploymentUnavailable(
                        f"{self._dapp} waits: its log put deployment {name} in charge, which "
                        f"cannot be loaded ({error}). Put the files back, for one by `w3b dapp "
                        "upgrade` with the same program.toml; the node tries again by itself"
                    ) from error
                while len(self._loaded) >= _KEPT:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[name] = program
            return self._loaded[name]

    def _load(self, deployment: Deployment) -> Program:
        binary = self._files.get(deployment.program_sha256)
        return load(binary, specification_of(deployment.manifest))


def specification_of(manifest: Manifest) -> Specification:
    """How a manifest's program is to be run."""
    return Specification(
        routes=manifest.events,
        instance=manifest.program.instance,
        env=manifest.env,
        roots=manifest.dapp.has_epochs,
        sql=manifest.sql,
        ceilings=Ceilings(
            fuel=manifest.limits.fuel,
            memory_bytes=manifest.limits.memory_bytes,
            output_bytes=manifest.limits.output_bytes,
            state_bytes=manifest.limits.state_bytes,
            sql_bytes=manifest.limits.sql_bytes,
            logs=manifest.limits.logs,
            effects=manifest.limits.effects,
            files_bytes=manifest.limits.files_bytes,
        ),
    )
