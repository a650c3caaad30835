"""Services of the Bluetooth SIG, by the GATT Specification Supplement and each service's own specification."""
