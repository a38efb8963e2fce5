"""Builds the ament_python package sustainml_orchestrator; colcon calls it."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "sustainml_orchestrator"
MODULES = (
    "app_requirements",
    "ml_model_metadata",
    "hw_constraints",
    "ml_model_provider",
    "hw_resources",
    "carbon_tracker",
)


def shared(*folders: str) -> list[tuple[str, list[str]]]:
    """Files below the folders, each to the same place under share/."""
    found = [path for folder in folders for path in sorted(Path(folder).rglob("*"))]
    files: dict[str, list[str]] = {}
    for path in filter(Path.is_file, found):
        files.setdefault(f"share/{NAME}/{path.parent}", []).append(str(path))
    return list(files.items())


setup(
    name=NAME,
    version="0.1.0",
    description="Orchestrator of the SustainML framework",
    license="Apache-2.0",
    maintainer="sustainml_orchestrator maintainers",
    maintainer_email="maintainers@sustainml-orchestrator.invalid",
    author="sustainml_orchestrator maintainers",
    author_email="maintainers@sustainml-orchestrator.invalid",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={"": ["py.typed"], f"{NAME}.web": ["static/*", "static/pages/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("config", "launch"),
    ],
    install_requires=["setuptools"],
    # `colcon test` runs pytest for a package that names it here.
    extras_require={
        "test": ["hypothesis", "psutil", "pytest", "pytest-timeout"],
        "data": ["pandas"],
        "mlflow": ["mlflow-skinny"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            f"orchestrator = {NAME}.entry:orchestrator",
            *(f"{module} = {NAME}.entry:{module}" for module in MODULES),
            f"sustainml = {NAME}.cli.__main__:main",
        ]
    },
)
