"""Nothing that a text says is lost: it is used, or listed as not understood."""

import json

import pytest
from support.problem_texts import TextInputs

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.app_requirements import AppRequirementsModule
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions
from sustainml_orchestrator.reference_modules.hw_constraints import HWConstraintsModule
from sustainml_orchestrator.reference_modules.text.volumes import VolumeWords

DEVICES = DeviceCatalogue(catalog.load("hardware"))
VOLUMES = VolumeWords(catalog.load("requirements"))
REGIONS = CarbonRegions()


@pytest.fixture(scope="module")
def hardware() -> HWConstraintsModule:
    module = HWConstraintsModule()
    module.on_start()
    return module


@pytest.mark.parametrize(
    ("text", "lines", "lost"),
    [
        ("Detect weeds from a drone with a 10 W power budget, at 30 frames per second",
         {"max_power:10", "min_throughput:30", "deployment:edge"}, []),
        ("Near-duplicates among 2 million posts, nightly batch",
         {"maximum_samples:2000000", "volume_period:night"}, []),
        ("Summarise 10,000 clinical discharge letters a month in a hospital in Poland",
         {"maximum_samples:10000", "volume_period:month", "region:Poland"}, []),
        ("A chat assistant, a 70B LLM", {"model_size:7e+10"}, []),
        ("A chat assistant with a 7 billion parameter model", {"model_size:7e+09"}, []),
        ("Keyword spotting at most 5 mW with a 230 mAh battery", {"max_power:0.005"}, ["230 mah"]),
        ("Transcribe calls (francais)", {"language:fr"}, []),
        ("Answer questions about 3,000 pages of manuals", {"corpus_size:3000"}, []),
        ("A chatbot over 40,000 contracts, 500 questions a day",
         {"corpus_size:40000", "maximum_samples:500", "volume_period:day"}, []),
        ("Code completion in our IDE", {"interactive:0.5", "interactive_rate:50"}, []),
        ("Fine-tune Llama 3.1 8B on 50,000 tickets", {"training:asked"}, ["50,000 tickets"]),
        ("Forged or not: pictures of parts, Takt 0,8 s", {"max_latency:0.8"}, []),
        ("Find cracks with a line-scan camera at 20 kHz", set(), ["20 khz"]),
        ("Find cracks in rails on 5 V 0.5 A USB power", {"max_power:2.5"}, []),
        ("Generate 4K product videos from a prompt", {"resolution:3840x2160"}, []),
        ("Tag songs, electricity from Norway", {"region:Norway"}, []),
        ("Summarise 1,100-word stories on 2 A100s", {"text_length:1430"}, []),
        ("Count cars on a 12 V battery with a solar panel", {"power_source:battery"}, ["12 v"]),
        ("Predict which of our 12,400 lifts fail", set(), ["12,400 lifts"]),
        ("Detect barks on a CR2032 cell for 6 months", set(), ["cr2032", "6 months"]),
        ("Find tumours in slides of 100,000 x 80,000 px", {"resolution:100000x80000"}, []),
        ("Spot forged notes, answer within a third of a second", {"max_latency:0.333"}, []),
        ("An LLM that reviews code, 70B, fp8, 6k tokens of diff",
         {"model_size:7e+10", "weights:int8", "text_length:6000"}, []),
        ("Search our archive of 1.2 Mio pictures by a sentence", {"corpus_size:1200000"}, []),
        ("Show depth on a headset at 72 Hz", {"min_throughput:72"}, []),
        ("Subtitle live meetings", {"interactive:3"}, []),
        ("Transcribe Swahili radio programmes", {"language:sw"}, []),
        ("Translate Vietnamese letters into Norwegian", {"language:vi", "language_to:no"}, []),
        ("Translate German maintenance tickets into Polish", {"language:de", "language:pl"}, []),
        ("Detect smoke, budget 200 € a month, camera of 12 MP at 12 V", {"resolution:4001x3000"},
         ["200 €", "12 v"]),
        ("Beside a 60 W lamp, classify photos of 3 cm", set(), ["60 w", "3 cm"]),
        ("Sentiment of 500 tweets per minute", {"min_throughput:8.33333"}, []),
        ("Count cars at -20 °C on a Jetson Thor", set(), ["20 °c"]),
        ("Clasificar 3 mil facturas al mes en Chile",
         {"maximum_samples:3000", "volume_period:mes", "region:Chile"}, []),
        ("Locate cars in 1080p pictures, response within two hundred milliseconds",
         {"resolution:1920x1080", "max_latency:0.2"}, []),
        ("Detect people in 4K video streams with ten watts",
         {"resolution:3840x2160", "max_power:10"}, []),
        ("Count cars in 4K images per day", {"maximum_samples:4000"}, []),
        ("Find ships in 640x480 images, thirty pictures per second",
         {"resolution:640x480", "min_throughput:30"}, []),
        ("Detect people at 1080p60", {"resolution:1920x1080", "min_throughput:60"}, []),
        ("Classify photos of parts of 30 x 50 cm", set(), ["50 cm"]),
        ("Transcribe half a million calls a year, five cents per call",
         {"maximum_samples:500000", "volume_period:year"}, ["5 cents"]),
        ("Sentiment of tweets on a t3.micro", {"topic:sentiment"}, []),
        ("Transcribe calls on n1-standard-8 with a T4", set(), ["n1 standard 8"]),
        ("Wir haben 5000 annotierte Bilder aus 12 Werken", set(), []),
        ("Tell the language of messages, 10 000 messages per second",
         {"min_throughput:10000"}, []),
        ("Summarise 12'000 letters a month", {"maximum_samples:12000", "volume_period:month"}, []),
        ("Classify network packets at 1 million packets per second",
         {"min_throughput:1e+06"}, []),
        ("Sentiment of tweets, 500 per minute", {"min_throughput:8.33333"}, []),
        ("Classify photos, 50,000 a day", {"maximum_samples:50000", "volume_period:day"}, []),
        ("Forecast the sales of 3,000 products every night",
         {"maximum_samples:3000", "volume_period:night"}, []),
        ("Find fires in satellite pictures, 20 TB a day", set(), ["20 tb a day"]),
        ("Chatbot mit acht Milliarden Parametern", {"model_size:8e+09"}, []),
        ("Rilevare difetti, un decimo di secondo per immagine", {"max_latency:0.1"}, []),
        ("Transcribe meetings on our servers in Madrid, 200 hours a month",
         {"volume_hours:200", "volume_period:month", "region:Spain"}, []),
        ("Record sound 24 hours a day and transcribe it", set(), ["24 hours a day"]),
        ("Code completion under 300 ms per token", {"min_token_rate:3.33333"}, []),
        ("A chat assistant that writes 20 tokens per second", {"min_token_rate:20"}, []),
        ("Summarise 300-page contracts", {"text_length:195000"}, []),
        ("Control a robot arm with a policy at 1 kHz", {"min_throughput:1000"}, []),
        ("Classify birds recorded at 48 kHz", set(), ["48 khz"]),
        ("Pumpe prüfen aus Körperschall mit 20 kHz", set(), ["20 khz"]),
        ("Check helmets, four 1080p cameras, 10 fps each", {"min_throughput:40"}, []),
        ("Summarise calls, one L4, California", {"region:california"}, []),
        ("Chatbot for our intranet with 3,000 HR documents", {"corpus_size:3000"}, []),
        ("Check welds in X-rays, 200 Bilder pro Schicht", {"min_throughput:0.00694444"}, []),
        ("Estimate the capacity of lithium batteries", set(), []),
        ("Detect noise, battery powered, in Frankfurt",
         {"power_source:battery", "region:Germany"}, []),
        ("Vorhersage der Lieferzeit aus Auftragsdaten in Deutschland", {"region:Germany"}, []),
        ("Transcribe dictations, half a second per utterance", {"max_latency:0.5"}, []),
        ("Classify 2 thousand pictures every hour", {"min_throughput:0.555556"}, []),
        ("Traduire des notices à Genève", {"region:Switzerland"}, []),
        ("Sentiment of reviews in us-east-1 with us", {"region:virginia"}, []),
        ("Classify Swedish customer mails into topics", {"language:sv"}, []),
        ("Classify 3 million tiles of 64 x 64 pixels", {"maximum_samples:3000000"}, []),
        ("Sentiment of reviews on AWS eu-west-1", {"topic:sentiment", "region:Ireland"}, []),
    ],
)  # fmt: skip
def test_numbers_are_used_or_listed(
    reader: AppRequirementsModule, text: str, lines: set[str], lost: list[str]
) -> None:
    found = reader.process(None, TextInputs(text))
    assert lines <= set(found.app_requirements)
    assert json.loads(bytes(found.extra_data))["not_understood"] == lost


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        ("Detect people on a Jetson Orin NX", ["NVIDIA Jetson Orin NX 16GB"], ""),
        ("Detect people on a Jetson Orin Nano 4GB", ["NVIDIA Jetson Orin Nano 4GB"], ""),
        ("Detect people on a Jetson AGX Orin 32GB", ["NVIDIA Jetson AGX Orin 32GB"], ""),
        ("Detect people on a Jetson AGX Orin", ["NVIDIA Jetson AGX Orin 64GB"], ""),
        ("Detect people on a Raspberry Pi 3", ["Raspberry Pi 3 Model B+"], ""),
        ("Detect people on a Raspberry Pi 4 with 2 GB", ["Raspberry Pi 4 Model B"], ""),
        ("Detect people on a Jetson Thor", ["jetson thor"],
         "'jetson thor' is not in the catalogue; nearest are NVIDIA Jetson"),
        ("Gesture recognition on a Meta Quest 3", ["meta quest 3"], "not in the catalogue"),
        ("Chat on an H100 NVL", ["NVIDIA H100 NVL"], ""),
        ("Search photos on a Celeron J4125", ["celeron j4125"], "nearest are Intel N100"),
        ("Classify coins on an i.MX 8M Plus", ["i mx 8m plus"], "nearest are Google Coral"),
        ("Count cars on a Raspberry Pi 5 + Hailo-8L", ["Raspberry Pi 5", "Hailo-8L"], ""),
        ("An 8-bit PIC16F shall tell walking from running", ["pic16f"], "not in the catalogue"),
        ("Summarise stories on 2 A100s", ["NVIDIA A100 SXM4 40GB"], ""),
        ("Score pronunciation from recordings, tablet", ["mobile"], ""),
        ("Trier des courriels, pas de carte graphique", ["cpu"], ""),
        ("Score ads, x86 only", ["cpu"], ""),
        ("Summarise notes, old laptop with 16 GB RAM", ["AMD Ryzen 7 7840U"], ""),
        ("Run it on an RTX 4070 Ti", ["rtx 4070 ti"], "nearest are NVIDIA GeForce RTX 4070"),
        ("Run it on a Coral Dev Board Mini", ["coral dev board mini"], "nearest are Google Coral"),
        ("Count cars on a BeagleBone Black", ["beaglebone black"], "not in the catalogue"),
        ("Keywords on an STM32F303", ["stm32f303"], "not in the catalogue; nearest are STM32"),
        ("Keywords on an ESP32", ["ESP32"], ""),
        ("Keywords on an Ambiq Apollo4", ["ambiq apollo4"], "not in the catalogue"),
        ("Score loans on an Intel Atom", ["intel atom"], "nearest are Intel N100"),
        ("Live subtitles on a laptop with an RTX 4060", ["NVIDIA GeForce RTX 4060"], ""),
        ("An app for the iPhone 13", ["Apple A15 Bionic"], ""),
        ("Classify photos taken with an iPhone 12 on our server", ["cpu"],
         "'iphone 12' is not in the catalogue"),
        ("Segment MRI slices on a V100 32GB", ["v100 32gb"], "nearest are NVIDIA V100"),
        ("Semantic search, embeddings once, L40S.", ["NVIDIA L40S"], ""),
        ("Run it on a Galaxy S23", ["Snapdragon 8 Gen 2"], ""),
        ("Transcribe podcasts on a Pixel 4", ["Google Pixel 4"], ""),
        ("Count cars on a g5.xlarge", ["NVIDIA A10G"], ""),
        ("Summarise news on p4d.24xlarge", ["NVIDIA A100 SXM4 40GB"], ""),
        ("Sentiment of reviews on Standard_NC4as_T4_v3", ["NVIDIA T4"], ""),
        ("Chat bot on Standard_NC6", ["NVIDIA K80 (standard nc6)"], "'NVIDIA K80 (standard nc6)'"),
        ("Classify X-rays on a c6i.2xlarge", ["c6i 2xlarge"], "'c6i 2xlarge' is not in the"),
        ("Translate with T5 small on an L4", ["NVIDIA L4"], ""),
    ],
)  # fmt: skip
def test_no_product_is_replaced_by_another(
    hardware: HWConstraintsModule, text: str, names: list[str], said: str
) -> None:
    found = hardware.process(None, TextInputs(text))
    assert list(found.hardware_required) == names
    told = json.loads(bytes(found.extra_data))["not_in_catalogue"]
    assert said in " ".join(told) and bool(told) == bool(said)


def test_a_name_that_several_products_share_is_told(hardware: HWConstraintsModule) -> None:
    for text, device in (
        ("on a Raspberry Pi", "Raspberry Pi 4 Model B"),
        ("on my laptop", "AMD Ryzen 7 7840U"),
        ("on a laptop with an Intel Core i5", "Intel Core i5-12400"),
        ("with a Google Coral M.2", "Google Coral USB Accelerator"),
        ("iPhone app", "Apple A17 Pro"),
    ):
        told = json.loads(bytes(hardware.process(None, TextInputs(text)).extra_data))
        assert f"is taken for {device}" in told["assumptions"][0]
    exact = hardware.process(None, TextInputs("on a Raspberry Pi 5"))
    assert json.loads(bytes(exact.extra_data))["assumptions"] == []


def test_what_is_assumed_of_a_rented_machine_is_told(hardware: HWConstraintsModule) -> None:
    for text, told in (
        ("on a p4d.24xlarge", "computes on NVIDIA A100 SXM4 40GB; the figures are for one of it"),
        ("on NC6s_v3", "computes on NVIDIA V100 PCIe 16GB, taken for NVIDIA V100 SXM2 16GB"),
    ):
        about = json.loads(bytes(hardware.process(None, TextInputs(text)).extra_data))
        assert told in about["assumptions"][0]


def test_the_memory_of_a_card_is_no_limit(hardware: HWConstraintsModule) -> None:
    for text, mib in (
        ("on one A100 40GB", 0),
        ("one consumer GPU (RTX 4090, 24 GB)", 0),
        ("at most 8 GB on an RTX 4090", 8192),
        ("on a Raspberry Pi 4 with 2 GB", 2048),
    ):
        assert hardware.process(None, TextInputs(text)).max_memory_footprint == mib, text
    small = hardware.process(None, TextInputs("at most 256 kB of RAM"))
    told = json.loads(bytes(small.extra_data))
    assert (small.max_memory_footprint, told["max_memory_footprint_mib"]) == (1, 0.25)
    assert told["memory_kind"] == "ram"


@pytest.mark.parametrize(
    ("text", "count", "period"),
    [
        ("about 2 million posts, nightly", 2_000_000, "night"),
        ("1.5 million images a year", 1_500_000, "year"),
        ("500k reviews", 500_000, ""),
        ("over 10 million scientific abstracts", 10_000_000, ""),
        ("10.000 Briefe im Monat", 10_000, ""),
        ("300 x-rays per day", 300, "day"),
        ("we have 20,000 labelled images", 0, ""),
        ("40 hours a week", 0, ""),
        ("50 reports per quarter", 50, "quarter"),
        ("Create voice prompts, 300 sentences", 300, ""),
        ("Compare 2 contracts", 0, ""),
        ("less than 100 ms per board", 0, ""),
        ("at most 200 products per pallet", 0, ""),
        ("Predict water consumption for 14 days ahead per district, 60 districts", 60, ""),
        ("a 3 Ah battery", 0, ""),
        ("50,000 descriptions a month", 50_000, "month"),
        ("daily sales of 1,200 products, retrained weekly", 1_200, ""),
        ("12 words", 0, ""),
        ("90 frames per minute", 0, ""),
    ],
)
def test_volumes(text: str, count: int, period: str) -> None:
    found = VOLUMES.volume(text)
    assert (found.count, found.period) == (count, period) if found and count else found is None


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("a hospital in Poland, on premises", "Poland"),
        ("una tienda en México", "Mexico"),
        ("in the United Kingdom", "United Kingdom"),
        ("in Frankreich", "France"),
        ("cheapest GPU, Finland.", "Finland"),
        ("cats, dogs, Turkey hens, horses", ""),
        ("chairs in turkey red", ""),
        ("detect defects in time", ""),
    ],
)
def test_countries_in_texts(text: str, region: str) -> None:
    found = REGIONS.in_text(text)
    assert (found.region if found else "") == region


def test_a_board_with_power_modes_keeps_a_budget_by_going_slower() -> None:
    board = DEVICES.find("Orin NX")[0]
    slow = board.within(15.0)
    assert slow.max_w == 15.0 and slow.rate("int8") < board.rate("int8")
    assert board.within(5.0) == board.within(0.0) == board.within(100.0) == board
