import pytest

from vitals.parameters import CONTINUOUS, PARAMETERS, Parameter, Vital, late_after_seconds, parameters_of
from vitals.units import Unit

CLINICAL_CODES = {  # LOINC, UCUM, MDC as a clinician's reference table has them
    Parameter.SYSTOLIC: ("8480-6", "mm[Hg]", 150021),
    Parameter.DIASTOLIC: ("8462-4", "mm[Hg]", 150022),
    Parameter.MEAN: ("8478-0", "mm[Hg]", 150023),
    Parameter.HEART_RATE: ("8867-4", "/min", 147842),
    Parameter.OXIMETER_PULSE_RATE: ("8889-8", "/min", 149530),
    Parameter.CUFF_PULSE_RATE: ("8867-4", "/min", 149546),
    Parameter.SPO2: ("59408-5", "%", 150456),
    Parameter.TEMPERATURE: ("8310-5", "Cel", 150364),
    Parameter.RESPIRATORY_RATE: ("9279-1", "/min", 151562),
    Parameter.WEIGHT: ("29463-7", "kg", 188736),
}


@pytest.mark.parametrize(("parameter", "codes"), CLINICAL_CODES.items())
def test_codes_are_those_of_the_standards(parameter, codes):
    facts = PARAMETERS[parameter]
    assert (facts.loinc, facts.unit, facts.mdc) == codes


def test_every_parameter_has_its_facts_and_every_vital_a_parameter():
    assert set(PARAMETERS) == set(Parameter)
    assert all(parameters_of(vital) for vital in Vital)


def test_a_cuffs_pulse_never_fills_the_heart_rate():
    assert PARAMETERS[Parameter.CUFF_PULSE_RATE].vital is Vital.PULSE_RATE
    assert PARAMETERS[Parameter.OXIMETER_PULSE_RATE].vital is Vital.HEART_RATE


def test_spot_checks_may_be_five_minutes_old_and_continuous_values_thirty_seconds():
    assert late_after_seconds(Vital.BLOOD_PRESSURE) == late_after_seconds(Vital.TEMPERATURE) == 300
    assert late_after_seconds(Vital.SPO2) == late_after_seconds(Vital.HEART_RATE) == 30
    assert Vital.BLOOD_PRESSURE not in CONTINUOUS


def test_only_units_of_ucum_are_used():
    assert {facts.unit for facts in PARAMETERS.values()} <= set(Unit)
