"""Numbers written as words, such as "two hundred milliseconds", in digits.

English, and the commonest words of Spanish, German, French, Italian and Portuguese. Only numbers
that count something are rewritten: those before a unit or a rate, and all from twenty on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sustainml_orchestrator.reference_modules.text.words import fold

_SMALL = {
    number: words.split()
    for number, words in {
        1: "one eins uno", 2: "two zwei dos deux due dois duas", 3: "three drei tres trois tre",
        4: "four vier cuatro quatre quattro quatro", 5: "five funf cinco cinq cinque",
        6: "six sechs seis sei", 7: "seven sieben siete sept sette sete",
        8: "eight acht ocho huit otto oito", 9: "nine neun nueve neuf nove",
        10: "ten zehn diez dix dieci dez", 11: "eleven elf onze undici",
        12: "twelve zwolf doce douze dodici doze", 13: "thirteen dreizehn trece treize",
        14: "fourteen vierzehn catorce quatorze", 15: "fifteen funfzehn quince quinze quindici",
        16: "sixteen sechzehn dieciseis seize sedici", 17: "seventeen siebzehn",
        18: "eighteen achtzehn", 19: "nineteen neunzehn",
        20: "twenty zwanzig veinte vingt venti vinte vingts",
        25: "veinticinco venticinque", 30: "thirty dreissig dreisig treinta trente trenta trinta",
        40: "forty fourty vierzig cuarenta quarante quaranta quarenta",
        50: "fifty funfzig cincuenta cinquante cinquanta cinquenta",
        60: "sixty sechzig sesenta soixante sessanta sessenta", 70: "seventy siebzig setenta",
        80: "eighty achtzig ochenta ottanta oitenta", 90: "ninety neunzig noventa novanta",
        100: "hundred hundert cien ciento cent cents cento cem", 200: "doscientos duzentos",
        300: "trescientos trezentos", 500: "quinientos quinhentos",
        1000: "thousand tausend mil mille mila",
    }.items()
}  # fmt: skip
_VALUES = {word: number for number, words in _SMALL.items() for word in words}
#: Numbers whose words are joined, as in "zweihundertfunfzig": with a hundred, or "und" before tens.
_JOINED = re.compile(r"([a-z]+?)?(hundert|tausend|cento|cientos)(?:und)?([a-z]+)?")
_TENS = re.compile(r"(ein|[a-z]+)und([a-z]+zig|dreissig)")
#: Words that may mean something else by themselves: coins, "per cent", "a mil".
_UNSURE = ("cent", "cents", "mil", "cem")
_FRENCH = frozenset(["deux", "trois", "quatre", "cinq", "sept", "huit", "neuf"])
_AND = ("and", "und", "y", "et", "e")
_WORD = re.compile(r"[^\W\d_]+")
_UNIT = (
    r"(?:(?:milli|micro|mikro|mili|mil+i)?(?:se[ckg]\w*|watts?|watios?|vatios?|amp\w*|volts?)|ms|fps|w"
    r"|(?:kilo|mega|giga|tera)(?:bytes?|octets?|bits?|watts?|hertz|s)?|[kmgt]i?b|bytes?|bits?"
    r"|min|minut\w*|hours?|horas?|stunden?|heures?|ore|days?|weeks?|months?|years?|tagen?|dias?"
    r"|per ?cent|prozent|%|por ciento|pour cent|hertz|k?hz|frames?|millions?|millionen|millones"
    r"|milioni|milhoes|billions?|mil+iard\w*|thousand|parameters?|tokens?|euros?|dollars?|cents?|degrees?|pixels?)\b"
)
_FOLLOWS = re.compile(rf"[ -]?(?:of an? )?{_UNIT}")
#: "thirty pictures a second"
_RATE = re.compile(
    r" (?:[^\W\d_]+ ){1,3}?(?:per|an?|each|every|pro|por|par|al|alla|je|cada|chaque|ogni) ?"
    r"(?:se[ckg]\w*|min\w*|hour|day|week|month|year|stunde|tag|hora|dia|heure|jour)\b"
)
_HALF = re.compile(
    r"\b(?:(?:(?:an? |one )?half(?: an?| of an?)?|(?:ein(?:e[mnrs]?)? )?halbe[mnrs]?|medi[oa]"
    r"|une? demi[ -]?e?|mezz[oa]|mei[oa])[ -]|half-)(?=" + _UNIT + ")"
)
_FRACTIONS = (
    (re.compile(r"\b(?:an? |one )?quarter (?:of an? )?(?=" + _UNIT + ")"), "0.25 "),
    (re.compile(r"\b(?:an? |one )?third of an? (?=" + _UNIT + ")"), "0.333 "),
    (re.compile(r"\b(?:an? |one )?fifth of an? (?=" + _UNIT + ")"), "0.2 "),
    (re.compile(r"\b(?:ein(?:e[mnrs]?)? )?drittel ?(?=se[ck])"), "0.333 "),
    (re.compile(r"\b(?:ein(?:e[mnrs]?)? )?funftel ?(?=se[ck])"), "0.2 "),
    (re.compile(r"\bun (?:tercio|terzo|tiers|terco) d[ei] (?=" + _UNIT + ")"), "0.333 "),
    (re.compile(r"\b(?:an? |one )?tenth of an? (?=" + _UNIT + ")"), "0.1 "),
    (re.compile(r"\b(?:an? |one )?hundredth of an? (?=" + _UNIT + ")"), "0.01 "),
    (re.compile(r"\b(?:ein(?:e[mnrs]?)? )?zehntel ?(?=se[ck])"), "0.1 "),
    (re.compile(r"\b(?:ein(?:e[mnrs]?)? )?hundertstel ?(?=se[ck])"), "0.01 "),
    (re.compile(r"\b(?:ein(?:e[mnrs]?)? )?viertel ?(?=se[ck])"), "0.25 "),
    (re.compile(r"\bun[ae]? (?:decim[ao]|dixieme) d[ei] (?=" + _UNIT + ")"), "0.1 "),
    (re.compile(r"\buma? decim[ao] de (?=" + _UNIT + ")"), "0.1 "),
    (re.compile(r"\bun[ae]? (?:centesim[ao]|centieme) d[ei] (?=" + _UNIT + ")"), "0.01 "),
    (re.compile(r"\bun (?:cuarto|quarto|quart) d[ei] (?=" + _UNIT + ")"), "0.25 "),
    (_HALF, "0.5 "),
)
#: "10 000", "10'000": blanks and apostrophes between thousands.
_THOUSANDS = re.compile(
    r"(?<![\w.,'-])[1-9]\d{0,2}(?:['’ \u00a0\u2009\u202f]\d{3})+(?![\w.,'/-]*\d|\w)"
)
#: "1080p50": lines of a picture, and pictures a second.
_LINES = re.compile(r"\b(480|720|1080|1440|2160|4320)p(\d{2,3})\b")
#: After these a number is part of a name, as in "Pi 4 500 ms".
_NUMBERED = frozenset({"pi", "gen", "version", "v", "class", "type", "zero", "level", "hailo",
                       "yolo", "llama", "qwen", "pixel", "iphone", "orin", "nano",
                       "core"})  # fmt: skip
_AND_A_HALF = re.compile(r" and an? half(?= )")
#: "less than a second": an article is a number where a bound stands before it.
_ONE = re.compile(
    r"(?<=\b)((?:within|under|below|than|unter|innerhalb|als|weniger als|menos de|moins d'|"
    r"meno di|em|en menos de) ?)(?:an?|ein(?:e[rns]?)?|un[ae]?|uma?) (?=(?:milli)?se[ckg]\w*|"
    r"(?:mega|giga)byte|watt|minute|vatio)"
)
_MILLION = re.compile(r"\b(?:an?|eine?|une?|um) (?=mil+i[oa]\w+|billion|millon|milhao)")
_MOST_WORDS = 12
#: Letters of the longest number in one word.
_LONGEST = 40


def in_digits(text: str) -> str:
    """The text with its written numbers in digits: "half a second" becomes "0.5 second"."""
    text = _LINES.sub(r"\1p \2 fps", _THOUSANDS.sub(_in_one, text))
    folded = _same_length(text)
    pieces, at = [], 0
    for start, end, value in _numbers(folded):
        half = _AND_A_HALF.match(folded, end)
        if half:
            value, end = value + 0.5, half.end()
        if folded[:start].rstrip()[-1:].isdigit():
            continue  # "2 thousand" is read with its number
        unsure = value < 20 or folded[start:end] in _UNSURE
        if unsure and not (_FOLLOWS.match(folded, end) or _RATE.match(folded, end)):
            continue
        pieces += [text[at:start], f"{value:g}" if value < 1e5 else f"{value:.0f}"]
        at = end
    return _fractions("".join([*pieces, text[at:]]))


def _in_one(match: re.Match[str]) -> str:
    """A number with its thousands apart, in one; two numbers after a name stay two."""
    before = match.string[: match.start()].split()[-1:]
    name = " " in match[0] and before and before[0].casefold() in _NUMBERED
    return match[0] if name else re.sub(r"\D", "", match[0])


def _fractions(text: str) -> str:
    for pattern, digits in _FRACTIONS:
        text = _replaced(pattern, digits, text)
    return _replaced(_MILLION, "1 ", _replaced(_ONE, r"\g<1>1 ", text))


def _replaced(pattern: re.Pattern[str], by: str, text: str) -> str:
    folded, pieces, at = _same_length(text), [], 0
    for match in pattern.finditer(folded):
        pieces += [text[at : match.start()], match.expand(by)]
        at = match.end()
    return "".join([*pieces, text[at:]])


def _same_length(text: str) -> str:
    """The folded text, letter by letter, so that places in it are places in the text."""
    if text.isascii():
        return text.lower()
    return "".join(map(_folded, text))


@lru_cache(maxsize=4096)
def _folded(letter: str) -> str:
    return (fold(letter) or " ")[0]


def _numbers(text: str) -> Iterator[tuple[int, int, float]]:
    """Start, end and value of each run of words that says a number."""
    words = [m.span() for m in _WORD.finditer(text)]
    at = 0
    while at < len(words):
        total = current = 0
        last, before = at, ""
        for index in range(at, min(at + _MOST_WORDS, len(words))):
            start, end = words[index]
            gap = text[words[index - 1][1] : start] if index > at else ""
            if gap not in ("", " ", "-"):
                break
            word = text[start:end]
            if word in _AND and (current >= 100 or total or (word != "and" and current >= 20)):
                continue
            value = _value(word)
            if word.startswith("cent") and index > at and before not in _FRENCH:
                break  # "five cents"
            before = word
            if value is None or not _goes_on(current, total, value):
                break
            total, current = _joined(total, current, value)
            last = index + 1
        if last > at:
            yield words[at][0], words[last - 1][1], float(total + current)
        at = max(last, at + 1)


def _goes_on(current: int, total: int, value: int) -> bool:
    if value == 100:
        return current < 20
    if value == 1000:
        return not total and current < 1000
    if value == 20 and current % 100 == 4:
        return True  # quatre-vingts
    if value < 10:
        return current % 10 == 0
    return current % 100 == 0 or (value < 20 and current % 100 in (60, 80))


def _joined(total: int, current: int, value: int) -> tuple[int, int]:
    if value == 1000:
        return max(current, 1) * 1000, 0
    if value == 100:
        return total, max(current, 1) * 100
    return total, current + (76 if value == 20 and current % 100 == 4 else value)


def _value(word: str) -> int | None:
    """The number that one word says, joined ones included; None for none."""
    if word in _VALUES:
        return _VALUES[word]
    if len(word) > _LONGEST:
        return None
    if (tens := _TENS.fullmatch(word)) and tens[2] in _VALUES:
        ones = 1 if tens[1] == "ein" else _VALUES.get(tens[1])
        return None if ones is None or ones > 9 else ones + _VALUES[tens[2]]
    joined = _JOINED.fullmatch(word)
    if not joined:
        return None
    before = 1 if joined[1] in (None, "ein") else _VALUES.get(joined[1])
    after = 0 if joined[3] is None else _value(joined[3])
    if before is None or before > 9 or after is None:
        return None
    return before * (1000 if joined[2] == "tausend" else 100) + after
