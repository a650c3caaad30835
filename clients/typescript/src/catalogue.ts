/** The hub's events and their data, made from its own tables by `./dev docs`; not to be edited. */

/** mmHg. A missing number is null, with its reason in the message's `quality`. */
export interface BloodPressure {
  readonly systolic: number | null;
  readonly diastolic: number | null;
  readonly mean?: number | null;
}

/** `status` is valid, questionable or missing; `reasons` are words of `vitals.readings.Reason`. */
export interface VitalQuality {
  readonly status: string;
  readonly reasons?: readonly (string)[];
}

/** A simulated reading's place in the recording that it was replayed from. */
export interface ReplayedAt {
  readonly recording: string;
  readonly position_seconds: number;
  readonly speed: number;
}

/** `timestamp` is that of measurement. `source` is `pulse` where `heart_rate` comes from an oximeter. */
export interface PatientVitals {
  readonly blood_pressure?: BloodPressure;
  readonly heart_rate?: number | null;
  readonly pulse_rate?: number | null;
  readonly temperature?: number | null;
  readonly spo2?: number | null;
  readonly respiratory_rate?: number | null;
  readonly perfusion_index?: number | null;
  readonly weight?: number | null;
  readonly glucose?: number | null;
  readonly patient_id: string;
  readonly timestamp: string;
  readonly device_id?: string;
  readonly device_type?: "blood_pressure_monitor" | "pulse_oximeter" | "thermometer" | "heart_rate_monitor" | "weight_scale" | "glucose_meter";
  readonly source?: "pulse";
  readonly quality?: Readonly<Record<string, VitalQuality>>;
  readonly measured?: Readonly<Record<string, string>>;
  readonly replayed?: ReplayedAt;
}

/** `repeat` counts the alerts of one episode, from 1. */
export interface PatientAlert {
  readonly patient_id: string;
  readonly alert_type: string;
  readonly severity: "critical" | "warning" | "info";
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly episode_id: string;
  readonly kind: "physiological" | "technical";
  readonly repeat: number;
  readonly timestamp: string;
}

/** The samples lie between these. */
export interface WaveformScale {
  readonly low: number;
  readonly high: number;
}

/** Samples in a row, the first taken at `start` on the gateway's clock, null where the device had no value. `gap`: some are missing before them. */
export interface PatientWaveform {
  readonly patient_id: string;
  readonly signal: "plethysmogram";
  readonly rate_hz: number;
  readonly start: string;
  readonly samples: readonly (number | null)[];
  readonly scale: WaveformScale;
  readonly unit: string;
  readonly device_id?: string;
  readonly device_type?: "blood_pressure_monitor" | "pulse_oximeter" | "thermometer" | "heart_rate_monitor" | "weight_scale" | "glucose_meter";
  readonly gap?: true;
}

export interface PatientStatus {
  readonly patient_id: string;
  readonly status: string;
  readonly previous: string | null;
  readonly reason?: string;
}

/** An admission or a discharge. */
export interface PatientMovement {
  readonly patient_id: string;
  readonly ward_id: string;
  readonly bed: string;
  readonly at: string;
  readonly by: string;
}

/** `values` holds one number under its vital's name, or the members of a blood pressure; null where missing. */
export interface DeviceData {
  readonly device_type: "blood_pressure_monitor" | "pulse_oximeter" | "thermometer" | "heart_rate_monitor" | "weight_scale" | "glucose_meter";
  readonly device_id: string;
  readonly data_type: string;
  readonly values: Readonly<Record<string, number | null>>;
  readonly timestamp: string;
  readonly quality?: Readonly<Record<string, VitalQuality>>;
  readonly replayed?: ReplayedAt;
}

/** `battery` is per cent. */
export interface DeviceStatus {
  readonly device_type: "blood_pressure_monitor" | "pulse_oximeter" | "thermometer" | "heart_rate_monitor" | "weight_scale" | "glucose_meter";
  readonly device_id: string;
  readonly status: string;
  readonly faults: readonly (string)[];
  readonly gateway_id: string | null;
  readonly battery?: number;
}

/** A device connected or disconnected. */
export interface DeviceLink {
  readonly device_type: "blood_pressure_monitor" | "pulse_oximeter" | "thermometer" | "heart_rate_monitor" | "weight_scale" | "glucose_meter";
  readonly device_id: string;
  readonly gateway_id: string | null;
  readonly reason?: string;
}

/** A technical alarm. `patient_id` where a patient holds the device. */
export interface DeviceAlert {
  readonly device_type: "blood_pressure_monitor" | "pulse_oximeter" | "thermometer" | "heart_rate_monitor" | "weight_scale" | "glucose_meter";
  readonly device_id: string;
  readonly alert_type: string;
  readonly severity: "critical" | "warning" | "info";
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly episode_id: string;
  readonly kind: "technical";
  readonly repeat: number;
  readonly timestamp: string;
  readonly patient_id?: string;
}

export interface HospitalNotice {
  readonly hospital_id: string;
  readonly severity: "critical" | "warning" | "info";
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface HospitalCapacity {
  readonly hospital_id: string;
  readonly beds_total: number;
  readonly beds_occupied: number;
  readonly ward_id?: string;
}

export interface SystemNotice {
  readonly message: string;
  readonly severity?: "critical" | "warning" | "info";
  readonly starts?: string;
  readonly ends?: string;
  readonly version?: string;
}

/** `what` of the hub's own affairs changed, which one, how, and by whom. */
export interface AdminUpdate {
  readonly what: string;
  readonly id: string;
  readonly change: string;
  readonly by: string;
}

/** Each event's data by the event's name. */
export interface Events {
  readonly "patient.vitals.update": PatientVitals;
  readonly "patient.alert": PatientAlert;
  readonly "patient.waveform": PatientWaveform;
  readonly "patient.status.change": PatientStatus;
  readonly "patient.admission": PatientMovement;
  readonly "patient.discharge": PatientMovement;
  readonly "device.data.update": DeviceData;
  readonly "device.status.change": DeviceStatus;
  readonly "device.connected": DeviceLink;
  readonly "device.disconnected": DeviceLink;
  readonly "device.alert": DeviceAlert;
  readonly "hospital.alert": HospitalNotice;
  readonly "hospital.capacity.update": HospitalCapacity;
  readonly "hospital.emergency": HospitalNotice;
  readonly "system.alert": SystemNotice;
  readonly "system.maintenance": SystemNotice;
  readonly "system.update": SystemNotice;
  readonly "admin.update": AdminUpdate;
}

/** Names under which vital signs stand in `patient.vitals.update`. */
export const VITALS: readonly string[] = ["blood_pressure", "heart_rate", "pulse_rate", "temperature", "spo2", "respiratory_rate", "perfusion_index", "weight", "glucose"];

/** Those that come many times a minute; a reader that falls behind is given the latest. */
export const CONTINUOUS: ReadonlySet<string> = new Set(["heart_rate", "spo2", "respiratory_rate", "perfusion_index"]);
