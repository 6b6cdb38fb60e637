"""Train on several machines of a Slurm cluster: submitted from Python, and gone on with if the job is interrupted."""

from typing import Any

import submitit

import instar


class Training:
    """What each process of a job does: takes what `instar.train` takes."""

    def __init__(self, *given: Any, **settings: Any) -> None:
        self.given, self.settings = given, settings

    def __call__(self, resume: bool = False) -> None:
        """Train, as one of the processes."""
        submitit.helpers.TorchDistributedEnvironment().export(set_cuda_visible_devices=False)
        if resume:
            instar.resume(self.settings["out"])
        else:
            instar.train(*self.given, **self.settings)

    def checkpoint(self, resume: bool = False) -> Any:
        """Return what goes on when the job was preempted or its time was over."""
        return submitit.helpers.DelayedSubmission(self, resume=True)


if __name__ == "__main__":
    executor = submitit.AutoExecutor(folder="logs")
    executor.update_parameters(nodes=2, tasks_per_node=4, gpus_per_node=4, timeout_min=600)
    executor.submit(Training("cut", "photos", out="/shared/runs/big", batch=8, devices=8))
