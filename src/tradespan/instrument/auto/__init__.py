"""Any code by regex: modules imported later, modules imported earlier, the script itself."""
