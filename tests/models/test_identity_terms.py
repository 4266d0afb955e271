"""Names of groups as the moderation model reads them."""

from __future__ import annotations

import pytest

from models.content.identity_terms import with_common_terms


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("I like women.", "I like minorities."),
        ("An immigrant was elected.", "a minority was elected."),
        ("Black people, gay Muslim men and the disabled", "minorities, minorities and minorities"),
        ("People with disabilities and asylum seekers", "minorities and minorities"),
        ("He is black, and a Mexican lives here.", "He is minority, and a minority lives here."),
        ("the black car, a white van, Mexican food", "the black car, a white van, Mexican food"),
        ("The White Hart, the blind spot", "The White Hart, the blind spot"),
        ("My son is old enough.", "My son is old enough."),
        ("Somebody plays the piano.", "Somebody plays the piano."),
    ],
)
def test_groups_are_read_as_the_same_words(text: str, read: str) -> None:
    assert with_common_terms(text) == read
    assert with_common_terms(read) == read


NAMES = {
    "Africa": "Nigerians, Kenyans, Ghanaians, Moroccans, Tutsis, Zulus, South Africans, Sierra Leoneans, the Congolese",
    "Americas": "Canadians, Peruvians, Haitians, Cherokees, Puerto Ricans, Latinas, Mexican Americans, West Indians",
    "Asia": "the Chinese, the Japanese, Filipinos, Sri Lankans, Tamils, Uzbeks, Kurds, South Koreans, Rohingyas",
    "Europe": "Poles, Romanians, the Irish, Bosniaks, Catalans, Ukrainians, the Dutch, Scots, Sinti, the Polish",
    "Oceania": "Maoris, Fijians, Samoans, Aborigines, Pacific Islanders, New Zealanders, Torres Strait Islanders",
    "religion": "Sunnis, Shiites, Catholics, Baptists, Jehovah's Witnesses, Sikhs, Jains, Yazidis, Hare Krishnas",
    "gender": "women, girls, ladies, trans men, nonbinary people, bisexuals, drag queens, queers, intersex people",
    "disability": "epileptics, people with dementia, wheelchair users, the mentally ill, diabetics, autists",
    "age": "pensioners, seniors, senior citizens, old folks, the elderly, octogenarians, boomers",
    "migration": "refugees, asylum seekers, undocumented workers, illegal immigrants, boat people, expats",
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("text", ["{} are lovely.", "We must protect {}.", "{}? I hate them."])
def test_names_of_groups_are_read(kind: str, text: str) -> None:
    for name in NAMES[kind].split(", "):
        written = text.format(name)
        assert with_common_terms(written[0].upper() + written[1:]).lower() == text.format("minorities").lower(), name


@pytest.mark.parametrize(
    "text",
    [
        "German cars, Swiss cheese, Danish pastry and Irish stew.",
        "French lessons on Monday; Spanish should be taught at school.",
        "Tent poles and a great dane for sale.",
        "Nail polish should be kept closed. Polish the table.",
        "Swedes and carrots from my garden.",
        "Kaffir lime leaves and sauerkraut.",
        "The girls next door have football, the ladies' choir meets at nine.",
        "I speak English. They speak French.",
        "Welsh cakes, an old, rusty bike, native plants and an Indian summer.",
        "Two chicks hatched, the hens are broad.",
        "Senior engineer wanted, orthodox methods.",
        "Bipolar transistors and asexual plants.",
    ],
)
def test_words_with_another_meaning_are_kept(text: str) -> None:
    assert with_common_terms(text) == text


def test_an_insult_after_a_nationality_is_about_its_people() -> None:
    assert with_common_terms("Polish scum, old bread.") == "minority scum, old bread."


def test_slurs_are_read_as_one_slur() -> None:
    assert (
        len(
            {
                with_common_terms(f"Stupid {slur}.")
                for slur in ("kike", "raghead", "sand-nigger", "tranny", "retard", "wog", "polack", "half-breed")
            }
        )
        == 1
    )


@pytest.mark.parametrize("unit", ["black ", "gay-", "people with ", "an ", "is black "])
def test_long_texts_are_read_within_bounds(unit: str) -> None:
    assert len(with_common_terms(unit * 2_000)) <= 3 * len(unit) * 2_000
