"""Names of leads as files write them."""

import pytest

from heart_reader.data.formats.lead_names import choose_leads, lead_of, other_system
from heart_reader.data.ptbxl import LEADS


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        *((lead, lead) for lead in LEADS),
        *((lead.upper(), lead) for lead in LEADS),
        *((f"MDC_ECG_LEAD_{lead.upper()}", lead) for lead in LEADS),
        *((f"Lead {lead}", lead) for lead in LEADS),
        ("DI", "I"),
        ("D2", "II"),
        ("Lead-II", "II"),
        ("MLII", "II"),
        ("ECG aVR", "aVR"),
        ("EKG V1", "V1"),
        ("Lead I (Einthoven)", "I"),
        ("V1 [uV]", "V1"),
        (" v6 ", "V6"),
    ],
)
def test_a_name_that_means_a_lead(name, lead):
    assert lead_of(name) == (lead, 1)


@pytest.mark.parametrize("name", ["-aVR", "−aVR", "MDC_ECG_LEAD_-AVR", "Lead -aVR"])
def test_an_inverted_lead(name):
    assert lead_of(name) == ("aVR", -1)


@pytest.mark.parametrize(
    "name",
    ["", "V7", "V3R", "X", "Vx", "D", "A", "J", "ABP", "RESP", "aV", "IV", "0", "CC5", "VI"],
)
def test_a_name_that_means_none_of_the_twelve(name):
    assert lead_of(name) is None


def test_a_lead_that_is_there_twice_is_taken_by_its_plain_name():
    chosen = choose_leads(["MLII", "V1", "II", "ABP"])
    assert (chosen.leads, chosen.columns, chosen.others) == (("V1", "II"), (1, 2), ("ABP",))
    assert chosen.notes == ("lead II is there twice: 'MLII' left out",)


def test_leads_of_another_system_are_named():
    assert other_system(["X", "Y", "Z"]) == "; X, Y, Z are Frank leads, not of the twelve"
    assert other_system(["D", "A", "J"]) == "; D, A, J are Nehb leads, not of the twelve"
    assert other_system(["ABP", "X"]) == ""
