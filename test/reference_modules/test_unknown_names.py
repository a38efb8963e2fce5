"""Names of hardware and platforms that nothing knows: told by how they stand in a text."""

import json
from pathlib import Path

import pytest
import yaml
from support.problem_texts import TextInputs

from bench.answers import where
from sustainml_orchestrator.reference_modules.app_requirements import AppRequirementsModule

DATA = Path(__file__).parents[1] / "data"


def _listed(reader: AppRequirementsModule, text: str) -> list[str]:
    found = reader.process(None, TextInputs(text))
    listed: list[str] = json.loads(bytes(found.extra_data))["not_understood"]
    return listed


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Detect scratches on metal parts with a Siemens IPC227G at the line", "IPC227G"),
        ("Sort waste from pictures on a Beckhoff C6030", "C6030"),
        ("Count people with an Axis P3245 that runs the model itself", "P3245"),
        ("Transcribe meetings on a Synology DS923+", "DS923+"),
        ("Detect fraud in card payments on an IBM z16 mainframe", "z16"),
        ("Run the chat assistant on our Proxmox host", "Proxmox"),
        ("Detect defects on an Advantech MIC-730AI", "MIC-730AI"),
        ("Segment MRI slices on a DGX Station", "DGX Station"),
        ("Recognise licence plates on a Lenovo ThinkEdge SE50", "ThinkEdge SE50"),
        ("Keyword spotting on a Renesas RA8M1", "RA8M1"),
        ("Wake word on a Renesas RA8D1", "RA8D1"),
        ("Detect pests on a LILYGO T-Camera S3", "T-Camera"),
        ("Analyse X-rays on a Dell PowerEdge R750xa", "R750xa"),
        ("Erkennung von Rissen in Bildern auf einer Kontron KBox A-203", "KBox"),
        ("Clasificar fotos de piezas con un autómata Omron NX102", "NX102"),
        ("Compter les voitures sur une caméra Hanwha XNV-8080", "XNV-8080"),
        ("Rilevare difetti nelle foto con un PLC Siemens S7-1500", "S7-1500"),
        ("Summarise English tickets on SambaNova SN40L", "SN40L"),
        ("Chat assistant in English on a Groq LPU", "Groq"),
        ("Score insurance claims from a table on Databricks", "Databricks"),
        ("Object detection with a Luxonis OAK-D Lite", "OAK-D"),
        ("Gesture recognition in video on a Varjo XR-4", "XR-4"),
        ("Classify bird songs with an AudioMoth", "AudioMoth"),
        ("Transcribe English interviews on an HP Z8 G5 workstation", "Z8 G5"),
        ("Detect falls from sensor data on a Fitbit Sense 2", "Fitbit"),
        ("Serve a sentiment model with Triton behind our API", "Triton"),
        ("Forecast the load of a plant on a Moxa gateway", "Moxa"),
        ("Answer questions from our English manual on Hetzner AX102", "Hetzner"),
        ("Detect pedestrians in pictures on a TI TDA4VM", "TDA4VM"),
        ("Vorhersage des Verbrauchs auf einem Wirenboard 7", "Wirenboard"),
        ("Detect fraud in a table on Oracle Exadata", "Exadata"),
        ("Score loans from a table on our Cloudera cluster", "Cloudera"),
        ("Detectar piezas malas en fotos con un PC industrial Cincoze DS-1402", "DS-1402"),
        ("Recognise emotions in pictures on a Pepper robot", "Pepper"),
        ("Erkennung von Rissen auf einem Ambarella CV25", "CV25"),
    ],
)  # fmt: skip
def test_an_unknown_product_is_listed(reader: AppRequirementsModule, text: str, name: str) -> None:
    assert any(name.casefold() in line.casefold() for line in _listed(reader, text))


@pytest.mark.parametrize(
    "text",
    [
        "Classify pictures of the CIFAR-10 dataset",
        "Sentiment of Amazon reviews about Samsung televisions",
        "Find mentions of Siemens in English annual reports",
        "Detect COVID-19 in X-rays of the lung",
        "Translate letters from Germany for offices in Austria",
        "Predict the sales of IKEA stores in Sweden",
        "Classify photos of Boeing 737 parts into good and bad",
        "Classify ImageNet pictures on a Raspberry Pi 4",
        "Predict delays of flights at Frankfurt Airport on Monday",
        "Bilder von Äpfeln auf einem Förderband in Güteklassen sortieren",
        "Erkenne Traktoren auf einem Feld in Luftbildern",
        "Learn to play Atari Breakout from the screen",
        "Detect peaks of PM2.5 and CO2 in readings",
        "Recognise handwritten digits of MNIST",
        "Read the text of scanned A4 pages",
        "Summarise BBC news about Brexit",
        "Classify tweets on Twitter about Tesla",
        "Is the car in the picture a Toyota or a Volkswagen?",
        "Answer questions with Wikipedia as the source",
        "Segment roads in Sentinel-2 satellite images",
        "Forecast the S&P 500 for the next week",
        "Assign ICD-10 codes to English discharge letters",
        "Find anomalies in Kubernetes logs",
        "Predict failures of Siemens turbines from a table",
        "Transcribe MP3 files of Spotify podcasts",
        "Predict the churn of Netflix customers from a table",
        "Detect rust on a Boeing 747 in photos",
        "Traduire les messages de la SNCF en allemand",
        "Clasificar opiniones de Mercadona en Twitter",
        "Übersetzung von Briefen der Deutschen Bahn ins Polnische mit Datenschutz nach DSGVO",
        "Detect persons in pictures of a TV camera with H.264 video over RTSP",
        "Count T-cells in pictures of mice with Alzheimer",
        "Sort photos of passengers on Ryanair flights",
        "Detect snow on Mount Everest in satellite pictures",
        "Finde Risse auf Seite 7 der gescannten Pläne",
        "Predict which passengers on the Titanic survived from a table",
    ],
)  # fmt: skip
def test_what_a_problem_is_about_is_not_listed(reader: AppRequirementsModule, text: str) -> None:
    assert _listed(reader, text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Classify English tickets in our Kubernetes cluster", {"deployment:server"}),
        ("Sentiment of German reviews on OpenShift", {"deployment:server"}),
        ("Detect hate speech in comments on AWS Lambda", {"deployment:cloud"}),
        ("Score quotes on Azure Kubernetes Service in Ireland",
         {"deployment:cloud", "region:Ireland"}),
    ],
)  # fmt: skip
def test_a_platform_that_says_where_it_runs_is_used(
    reader: AppRequirementsModule, text: str, lines: set[str]
) -> None:
    assert lines <= set(reader.process(None, TextInputs(text)).app_requirements)
    assert _listed(reader, text) == []


def test_a_platform_that_says_no_more_is_listed(reader: AppRequirementsModule) -> None:
    assert _listed(reader, "Classify English tickets, orchestrated by Kubernetes") == ["kubernetes"]


def test_ordinary_problems_list_no_names(reader: AppRequirementsModule) -> None:
    """Of some hundred problems hardly one holds what is taken for a product by mistake."""
    texts = [problem["text"] for problem in where.table("problems")["problems"]]
    content = yaml.safe_load((DATA / "short_problems.yaml").read_text(encoding="utf-8"))
    texts += [problem["problem_definition"] for problem in content["problems"]]
    found = {}
    for text in texts:
        devices = [p.name for p in reader.hardware.products_in(text)]
        if names := reader.unknown.find(text, devices, reader.regions.knows):
            found[text] = names
    assert len(found) <= len(texts) / 100, found
