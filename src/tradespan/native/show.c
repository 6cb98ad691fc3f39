/* The short forms of plain values, as `smart` of instrument/capture/serialize.py gives them: numbers as
 * they are, and texts in which nothing can be a secret, quoted. Everything else is Python's. */

#include "native.h"

#include <ctype.h>

/* Off while the user has patterns of his own, each of which may match anything. */
static int shortcuts = 1;

/* What a text may need looking at for, by its signs. `capture/redact.py` acts on it. */
enum {
    KEY = 1,    /* `=` or `:`, whose word before may say secret */
    OTHER = 2,  /* an address, FIX, escapes, another script, a word of redact.py's: search it all */
    QUOTED = 4, /* no secret; `repr` writes it in another way than it stands */
    WORD = 8,   /* may begin a word of redact.py's */
};
static unsigned char signs[128];

void
fill_sign_table(void)
{
    for (int sign = 0; sign < 32; sign++)
        signs[sign] = QUOTED;
    signs['\x01'] = signs['@'] = signs['|'] = signs['%'] = OTHER;
    signs['"'] = signs['\''] = signs['\\'] = signs[127] = QUOTED;
    signs['='] = signs[':'] = KEY;
    signs['b'] = signs['B'] = signs['e'] = signs['E'] = signs['-'] = WORD;
}

static int
begins_with(const unsigned char *text, const unsigned char *end, const char *word)
{
    for (; *word; word++, text++)
        if (text == end || tolower(*text) != *word)
            return 0;
    return 1;
}

/* All that stands in an ASCII text: 0, or of KEY and QUOTED; OTHER as soon as one is found. */
static int
scan_text(const unsigned char *text, Py_ssize_t size)
{
    const unsigned char *begin = text, *end = text + size;
    int found = 0;
    for (; text < end; text++) {
        int sign = signs[*text];
        if (sign == 0)
            continue;
        if (sign == OTHER)
            return OTHER;
        if (sign != WORD) {
            /* `("api_key", "…")` is a pair of a key and its value. */
            if ((*text == '"' || *text == '\'') && text > begin && text[-1] == '(')
                return OTHER;
            found |= sign;
        }
        else if (begins_with(text, end, "bearer") || begins_with(text, end, "basic") ||
                 begins_with(text, end, "eyj") || begins_with(text, end, "-----"))
            return OTHER;
    }
    return found;
}

const char scan_doc[] = PyDoc_STR(
    "scan(text) -> int\n\nWhat a text may need looking at for: bit 0 a key, bit 1 anything, bit 2 nothing "
    "but quoting.");

PyObject *
scan(PyObject *Py_UNUSED(module), PyObject *text)
{
    int found = OTHER;
    if (PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text))
        found = scan_text(PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text));
    return PyLong_FromLong(found);
}

/* The quoted text; NULL without an exception if it is not plain. */
static PyObject *
quote_plain(PyObject *value, Py_ssize_t length)
{
    if (!shortcuts || !PyUnicode_CheckExact(value) || !PyUnicode_IS_COMPACT_ASCII(value))
        return NULL;
    Py_ssize_t size = PyUnicode_GET_LENGTH(value);
    const unsigned char *text = PyUnicode_1BYTE_DATA(value);
    if (size > length || scan_text(text, size))
        return NULL;
    PyObject *quoted = PyUnicode_New(size + 2, 127);
    if (quoted == NULL)
        return NULL;
    unsigned char *place = PyUnicode_1BYTE_DATA(quoted);
    place[0] = place[size + 1] = '\'';
    memcpy(place + 1, text, (size_t)size);
    return quoted;
}

const char quote_doc[] = PyDoc_STR(
    "quote(text, length) -> str | None\n\nThe text's `repr`, if it is not longer than that, in ASCII, and "
    "nothing in it can be a secret; else None.");

PyObject *
quote(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "quote() takes a text and a length");
        return NULL;
    }
    Py_ssize_t length = PyLong_AsSsize_t(args[1]);
    if (length == -1 && PyErr_Occurred())
        return NULL;
    PyObject *quoted = quote_plain(args[0], length);
    if (quoted == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return quoted;
}

/* One value shown, a new reference; NULL with or without an exception: it is not plain. */
static PyObject *
show_plain(PyObject *value, Py_ssize_t length)
{
    if (PyUnicode_CheckExact(value))
        return quote_plain(value, length);
    if (PyLong_CheckExact(value)) {
        int overflow;
        PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow ? NULL : Py_NewRef(value);
    }
    if (PyBool_Check(value))
        return Py_NewRef(value);
    if (PyFloat_CheckExact(value)) {
        double number = PyFloat_AS_DOUBLE(value);
        return number - number == 0.0 ? Py_NewRef(value) : NULL;
    }
    return NULL;
}

const char show_all_doc[] = PyDoc_STR(
    "show_all(values, start, length, show) -> list\n\nEach value of a tuple from `start` on: plain ones "
    "here, the others by `show(value, length)`.");

PyObject *
show_all(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyTuple_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "show_all() takes a tuple, a start, a length, a function");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(args[1]), length = PyLong_AsSsize_t(args[2]);
    if ((start == -1 || length == -1) && PyErr_Occurred())
        return NULL;
    Py_ssize_t size = PyTuple_GET_SIZE(args[0]);
    PyObject *shown = PyList_New(0);
    for (Py_ssize_t place = start < 0 ? 0 : start; shown != NULL && place < size; place++) {
        PyObject *value = PyTuple_GET_ITEM(args[0], place), *item = show_plain(value, length);
        if (item == NULL && !PyErr_Occurred()) {
            PyObject *call[] = {value, args[2]};
            item = PyObject_Vectorcall(args[3], call, 2, NULL);
        }
        if (item == NULL || PyList_Append(shown, item) < 0)
            Py_CLEAR(shown);
        Py_XDECREF(item);
    }
    return shown;
}

const char use_shortcuts_doc[] = PyDoc_STR(
    "use_shortcuts(wanted)\n\nWhether texts may be found harmless here; not where the user has patterns.");

PyObject *
use_shortcuts(PyObject *Py_UNUSED(module), PyObject *wanted)
{
    int truth = PyObject_IsTrue(wanted);
    if (truth < 0)
        return NULL;
    shortcuts = truth;
    Py_RETURN_NONE;
}
