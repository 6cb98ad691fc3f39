/* The module `tradespan._native`. */

#include "native.h"

/* Raised with every change that the Python side has to know of: core/native.py compares it. */
#define INTERFACE 11

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **kept)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL)
        return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    if (kept != NULL && status == 0)
        *kept = (PyTypeObject *)Py_NewRef(type);
    Py_DECREF(type);
    return status;
}

static int
execute(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        /* What is static here is the main interpreter's (up to 3.11 nothing else says so). */
        PyErr_SetString(PyExc_ImportError, "this is not the main interpreter");
        return -1;
    }
    State *state = PyModule_GetState(module);
    fill_crc_tables();
    fill_sign_table();
    if (add_type(module, &place_spec, &state->place_type) < 0 ||
        add_type(module, &lane_spec, NULL) < 0 ||
        add_type(module, &durations_spec, &state->durations_type) < 0 ||
        add_type(module, &number_spec, NULL) < 0 || add_type(module, &histogram_spec, NULL) < 0 ||
        add_type(module, &state_spec, &state->state_type) < 0 ||
        add_type(module, &flights_spec, &state->flights_type) < 0 ||
        add_type(module, &starter_spec, NULL) < 0 || add_type(module, &codes_spec, NULL) < 0)
        return -1;
    if (PyModule_AddIntConstant(module, "HAS_CRC32C", has_crc32c()) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "INTERFACE", INTERFACE);
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->place_type);
    Py_VISIT(state->durations_type);
    Py_VISIT(state->flights_type);
    Py_VISIT(state->state_type);
    return 0;
}

static int
clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->place_type);
    Py_CLEAR(state->durations_type);
    Py_CLEAR(state->flights_type);
    Py_CLEAR(state->state_type);
    return 0;
}

static PyMethodDef functions[] = {
    {"crc32c", (PyCFunction)(void (*)(void))crc32c, METH_FASTCALL, crc32c_doc},
    {"quote", (PyCFunction)(void (*)(void))quote, METH_FASTCALL, quote_doc},
    {"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL, scan_doc},
    {"show_all", (PyCFunction)(void (*)(void))show_all, METH_FASTCALL, show_all_doc},
    {"use_verdicts", use_verdicts, METH_O, use_verdicts_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    /* An interpreter with a GIL of its own could write beside this one: it takes the way in Python. */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tradespan._native",
    .m_doc = "The hot path in C; see spool/lane.py for the same in Python.",
    .m_size = sizeof(State),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
