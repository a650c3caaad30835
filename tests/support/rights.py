"""The contract's rights in its own words, written without looking at the code: who may do what in which room, in which scope.

The registry is `tests.support.hub.TableRegistry`. A test of rights asks `may` here and the hub there; no cell may differ.
"""

from tests.support.hub import CUFF, HOSPITAL, OTHER_HOSPITAL, OTHER_PATIENT, PATIENT, SPARE, WARD

P, W, H = f"patient:{PATIENT}", f"ward:{HOSPITAL}:{WARD}", f"hospital:{HOSPITAL}"
PATIENT_ROOMS = {P, f"{P}:vitals", f"{P}:alerts", f"{P}:waveforms"}
WARD_ROOMS = {W, f"{W}:vitals", f"{W}:alerts"}
HOSPITAL_ROOMS = {H, f"{H}:alerts", f"{H}:devices"}
HELD_DEVICE = {f"device:{CUFF}", f"device:{CUFF}:status"}
SPARE_DEVICE = {f"device:{SPARE}", f"device:{SPARE}:status"}
SYSTEM, ADMIN = {"system:alerts"}, {"admin:updates"}
ROOMS = sorted(
    PATIENT_ROOMS | WARD_ROOMS | HOSPITAL_ROOMS | HELD_DEVICE | SPARE_DEVICE | SYSTEM | ADMIN,
)
ALERTS = {f"{P}:alerts", f"{W}:alerts", f"{H}:alerts"}
OF_PATIENTS = PATIENT_ROOMS | WARD_ROOMS | HOSPITAL_ROOMS
CLINICAL = OF_PATIENTS | HELD_DEVICE | SYSTEM
TECHNICAL = HELD_DEVICE | SPARE_DEVICE | {f"{H}:devices"} | SYSTEM
EVERYTHING = set(ROOMS)

SCOPES: dict[str, dict[str, list[str]]] = {
    "hospital": {"hospitals": [HOSPITAL]},
    "ward": {"wards": [f"{HOSPITAL}:{WARD}"]},
    "patient": {"patients": [PATIENT]},
    "nothing": {},
    "elsewhere": {
        "hospitals": [OTHER_HOSPITAL],
        "wards": [f"{OTHER_HOSPITAL}:{WARD}"],
        "patients": [OTHER_PATIENT],
    },
    "next ward": {"wards": [f"{HOSPITAL}:w9"]},
    "all": {"hospitals": ["*"]},
}
"""`all` is for admins alone; no other token has it."""

EVERYONES = SYSTEM | ADMIN
IN_SCOPE: dict[str, set[str]] = {
    "hospital": EVERYTHING,
    "ward": PATIENT_ROOMS | WARD_ROOMS | HELD_DEVICE | EVERYONES,
    "patient": PATIENT_ROOMS | HELD_DEVICE | EVERYONES,
    "nothing": EVERYONES,
    "elsewhere": EVERYONES,
    "next ward": EVERYONES,
    "all": EVERYTHING,
}

BY_ROLE: dict[str, dict[str, set[str]]] = {
    "viewer": {"watch": CLINICAL, "presence": CLINICAL},
    "clinician": {
        "watch": CLINICAL,
        "presence": CLINICAL,
        "record": HELD_DEVICE,
        "operate": PATIENT_ROOMS,
        "acknowledge": ALERTS,
        "pause": ALERTS,
    },
    "technician": {"watch": TECHNICAL, "presence": TECHNICAL},
    "tester": {"watch": CLINICAL, "presence": CLINICAL, "publish": CLINICAL},
    "admin": {
        "watch": EVERYTHING,
        "presence": EVERYTHING,
        "publish": EVERYTHING,
        "record": HELD_DEVICE | SPARE_DEVICE,
        "operate": EVERYTHING - ADMIN,
        "acknowledge": ALERTS,
        "pause": ALERTS,
        "administer": EVERYTHING,
    },
}


def allowed(role: str, verb: str, scope: str) -> set[str]:
    """The rooms. Break-glass reaches what is out of scope, within the hospitals that the token names; only an admin of all speaks to all, and sees
    who of all hospitals is there."""
    if verb == "break_glass":
        return PATIENT_ROOMS if role == "clinician" and scope in ("hospital", "ward", "next ward") else set()
    rooms = BY_ROLE[role].get(verb, set()) & IN_SCOPE[scope]
    if scope == "all":
        return rooms
    return {"operate": rooms - SYSTEM, "presence": rooms - EVERYONES}.get(verb, rooms)
