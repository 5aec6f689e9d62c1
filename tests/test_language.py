"""Languages: named when the text tells, undetermined when it does not, refused by allow-list."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import DocumentError
from include.parsing import detect_language, require_language

SENTENCES = {
    "en": "The library retries calls that fail, and it is used by many of the others.",
    "de": "Die Bibliothek ist für den Fall, dass ein Aufruf nicht gelingt, und das oft.",
    "fr": "La bibliothèque est dans le dossier et les appels sont pour vous une aide.",
    "es": "La biblioteca es para los que no tienen una copia de las llamadas del sistema.",
    "pt": "A biblioteca é para os que não têm uma cópia das chamadas do sistema.",
    "it": "La libreria è per chi non ha una copia delle chiamate e che sono nel sistema.",
    "nl": "De bibliotheek is voor een aanroep die niet lukt en dat is het probleem.",
    "pl": "Biblioteka jest dla tych, którzy nie mają kopii, i to się nie zmienia przez lata.",
    "sv": "Biblioteket är till för dem som inte har någon kopia av systemets anrop.",
    "fi": "Kirjasto on niille, joilla ei ole kopiota järjestelmän kutsuista.",
    "cs": "Knihovna je pro ty, kteří nemají kopii systémových volání, a to se nemění.",
    "hu": "A könyvtár azoknak való, akiknek nincs másolatuk a rendszer hívásairól.",
    "tr": "Kütüphane, sistem çağrılarının bir kopyasına sahip olmayanlar içindir.",
    "vi": "Thư viện này dành cho những người không có bản sao của các lời gọi hệ thống.",
    "ru": "Библиотека повторяет вызовы, которые не удались.",
    "uk": "Бібліотека повторює виклики, які не вдалися, і їх багато.",
    "el": "Η βιβλιοθήκη επαναλαμβάνει τις κλήσεις που απέτυχαν.",
    "ja": "これは日本語の文章です。東京は首都です。",
    "zh": "这是一个中文句子，北京是首都。",
    "ko": "이것은 한국어 문장입니다.",
    "ar": "هذه مكتبة لإعادة المحاولة",
    "he": "הספרייה חוזרת על קריאות שנכשלו.",
    "hi": "यह पुस्तकालय विफल कॉल को दोहराता है।",
    "th": "ไลบรารีนี้จะลองเรียกซ้ำเมื่อการเรียกล้มเหลว",
}


@pytest.mark.parametrize(("language", "text"), SENTENCES.items())
def test_one_sentence_tells_its_language(language, text):
    assert detect_language(text) == language


@pytest.mark.parametrize("language", ["de", "fr", "ru", "zh", "ar"])
def test_the_language_most_of_a_text_is_in_wins_over_an_opening_in_code(language):
    prose = SENTENCES[language] * 40
    assert detect_language("x = f(1, 2)\n" * 8 + prose) == language


def test_technical_prose_that_leaves_one_sample_in_doubt_is_recognised_by_several():
    text = (
        "Normans\n\nBetween 1402 and 1405, the expedition led by the Norman noble Jean de "
        "Bethencourt and the Poitevine Gadifer de la Salle conquered the Canarian islands of "
        "Lanzarote, Fuerteventura and El Hierro off the Atlantic coast of Africa. Their troops "
        "were gathered in Normandy, Gascony and were later reinforced by Castilian colonists."
    )
    assert detect_language(text) == "en"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "def f(x): return x + 1",
        "12 345 678 " * 100,
        "\0" * 500,
        "| 1 | 2 |\n" * 50,
        "0xdeadbeef " * 60,
        "🙂" * 300,
        "Kowalski Müller García Rossi Nguyen Andersson Kovács Papadopoulos Yılmaz Silva Novák",
        "TCP UDP IP HTTP TLS DNS DHCP NTP SSH FTP SMTP IMAP POP3 LDAP SIP RTP BGP OSPF MPLS VLAN",
        "\ud800" * 50,
    ],
)
def test_what_is_no_prose_is_undetermined(text):
    assert detect_language(text) == "und"


@given(st.text("aeé ñтдыі漢字かな한글עש🙂\ud800\0", max_size=400))
def test_any_text_has_a_language_or_none(text):
    assert re.fullmatch("[a-z]{2}|und", detect_language(text))


def test_a_huge_text_is_judged_by_samples():
    assert detect_language(SENTENCES["en"] * 200_000) == "en"


@pytest.mark.parametrize("language", ["en", "en-GB", "EN_us", "und"])
def test_allowed_and_undetermined_languages_pass(language):
    require_language(language, ("en", "de"))


def test_without_an_allow_list_every_language_passes():
    require_language("fi", ())


def test_another_language_is_refused_with_what_is_allowed():
    with pytest.raises(DocumentError, match=r"'fr-CA'.*allows de, en") as caught:
        require_language("fr-CA", ("en", "de"))
    assert caught.value.reason == "language_not_allowed"


def test_importing_the_parsers_loads_no_language_model():
    check = "import sys, include.parsing; sys.exit('eld' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
