"""An example of what a JSON Schema allows: the smallest, or the fullest, with every member that it names."""

from typing import Any

_TEXTS = {"date-time": "2026-11-25T10:00:00Z"}


def example(schema: dict[str, Any], schemas: dict[str, Any], *, full: bool) -> Any:
    """A value; `schemas` are those that references name. Raises KeyError for a form that no schema of ours has had so far."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas, full=full)
    if "allOf" in schema:
        parts = [
            example(part | {"type": "object"} if "properties" in part else part, schemas, full=full)
            for part in schema["allOf"]
        ]
        return {name: value for part in parts for name, value in part.items()}
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas, full=full)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _of_type(schema, schemas, full=full)


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], *, full: bool) -> Any:
    match schema.get("type"):
        case "object":
            return _object(schema, schemas, full=full)
        case "array":
            few = max(schema.get("minItems", 0), 1 if full else 0)
            return [example(schema["items"], schemas, full=full)] * few
        case "string":
            return _TEXTS.get(schema.get("format", ""), "text")
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case None:
            return {}  # anything
    raise KeyError(schema["type"])


def _object(schema: dict[str, Any], schemas: dict[str, Any], *, full: bool) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        name: example(member, schemas, full=full)
        for name, member in schema.get("properties", {}).items()
        if full or name in required
    }
