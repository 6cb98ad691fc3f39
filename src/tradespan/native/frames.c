/* Tracebacks as plain tuples, without formatting. */

#include "native.h"

/* (file, line, name) of one entry of a traceback; NULL with an exception. */
static PyObject *
describe_frame(PyTracebackObject *entry, PyCodeObject *code)
{
    int number = entry->tb_lineno; /* -1: not looked up yet */
    if (number == -1)
        number = PyCode_Addr2Line(code, entry->tb_lasti);
    /* What a line that is unknown looks like differs by version: there, Python says it. */
    PyObject *line = number < 0 ? PyObject_GetAttrString((PyObject *)entry, "tb_lineno")
                                : PyLong_FromLong(number);
    if (line == NULL)
        return NULL;
    PyObject *described = PyTuple_Pack(3, code->co_filename, line, code->co_qualname);
    Py_DECREF(line);
    return described;
}

/* Append an entry, unless its code is the wrappers' own. */
static int
add_frame(PyObject *found, PyTracebackObject *entry, PyObject *own_code)
{
    PyCodeObject *code = PyFrame_GetCode(entry->tb_frame);
    int status = PySet_GET_SIZE(own_code) ? PySet_Contains(own_code, (PyObject *)code) : 0;
    if (status == 0) {
        PyObject *described = describe_frame(entry, code);
        status = described == NULL ? -1 : PyList_Append(found, described);
        Py_XDECREF(described);
    }
    Py_DECREF(code);
    return status < 0 ? -1 : 0;
}

/* Put one entry that says how many were left out in place of those in the middle. */
static int
elide_middle(PyObject *found, Py_ssize_t most)
{
    Py_ssize_t count = PyList_GET_SIZE(found), half = most / 2;
    if (count <= most)
        return 0;
    PyObject *says = PyUnicode_FromFormat("%zd more frames", count - most);
    PyObject *marks = says == NULL ? NULL : Py_BuildValue("[(siO)]", "\xE2\x80\xA6", 0, says);
    int status = marks == NULL ? -1 : PyList_SetSlice(found, half, count - half, marks);
    Py_XDECREF(says);
    Py_XDECREF(marks);
    return status;
}

const char frames_doc[] = PyDoc_STR(
    "frames(traceback, own_code, most)\n\n(file, line, qualified name) of each frame, outermost first, "
    "without those of `own_code`; the middle of more than `most` is left out.");

PyObject *
frames(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *entry, *own_code;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "OOn:frames", &entry, &own_code, &most))
        return NULL;
    if (!PyAnySet_Check(own_code) || most < 2) {
        PyErr_SetString(PyExc_TypeError, "frames() takes a traceback, a set, and 2 or more");
        return NULL;
    }
    PyObject *found = PyList_New(0);
    if (found == NULL)
        return NULL;
    /* Held, because whoever may run meanwhile can cut the chain. */
    Py_INCREF(entry);
    while (PyTraceBack_Check(entry) && add_frame(found, (PyTracebackObject *)entry, own_code) == 0) {
        PyObject *next = (PyObject *)((PyTracebackObject *)entry)->tb_next;
        Py_SETREF(entry, Py_NewRef(next != NULL ? next : Py_None));
    }
    int whole = entry == Py_None;
    Py_DECREF(entry);
    if (whole && elide_middle(found, most) == 0)
        return found;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "frames() takes a traceback or None");
    Py_DECREF(found);
    return NULL;
}
