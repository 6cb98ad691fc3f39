/* The short forms of plain values, as `smart` of capture/serialize.py gives them: numbers as
 * they are, and texts in which nothing can be a secret, quoted. Everything else is Python's. */

#include "native.h"

#include <ctype.h>

/* Verdicts about the names of keys, by which a text may be found harmless; NULL: none may, because the
 * user has patterns of his own, each of which may match anything. */
static PyObject *verdicts;

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
    for (int sign = 0x1C; sign < 32; sign++)
        signs[sign] = OTHER; /* white space to Python, not to C */
    signs['\x01'] = signs['@'] = signs['|'] = signs['%'] = OTHER;
    signs['"'] = signs['\''] = signs['\\'] = signs[127] = QUOTED;
    signs['='] = signs[':'] = KEY;
    for (const char *sign = "bBeEgGsSxXaA-/<?&"; *sign; sign++)
        signs[(unsigned char)*sign] = WORD;
}

static int
begins_with(const unsigned char *text, const unsigned char *end, const char *word)
{
    for (; *word; word++, text++)
        if (text == end || tolower(*text) != *word)
            return 0;
    return 1;
}

/* Whether a form of redact.py's that is told by its look may begin here, where a sign is WORD. */
static int
may_begin(const unsigned char *begin, const unsigned char *text, const unsigned char *end)
{
    int inside = text > begin && isalnum(text[-1]);
    switch (tolower(*text)) {
    case 'b':
        return begins_with(text, end, "bearer") || begins_with(text, end, "basic");
    case 'e':
        return begins_with(text, end, "eyj");
    case '-':
        return begins_with(text, end, "--") || begins_with(text, end, "->");
    case '<':
        return 1; /* an XML element, maybe cut before its end */
    case '?':
    case '&':
        return begins_with(text + 1, end, "sig"); /* of a URL: a request's signature */
    case '/':
        return begins_with(text, end, "/bot") || begins_with(text, end, "/services/") ||
               begins_with(text, end, "/api/webhooks/") || begins_with(text, end, "/ws/");
    case 'g':
        return !inside && (begins_with(text, end, "github_pat_") ||
                           (begins_with(text, end, "gh") && end - text > 3 && text[3] == '_'));
    case 's':
        return begins_with(text, end, "streams=") || (!inside && begins_with(text, end, "sk-"));
    case 'x':
        return !inside && (begins_with(text, end, "xox") || begins_with(text, end, "xprv"));
    default:
        return !inside && begins_with(text, end, "akia");
    }
}

#define LONGEST_KEY 100

/* Whether a word needs another look though it says no secret: the second of `API key`, or a FIX field
 * after another, with the separator written out. */
static int
goes_on(const unsigned char *part, const unsigned char *word, const unsigned char *end)
{
    static const char *const seconds[] = {"key", "keys", "phrase", "code", "codes", NULL};
    for (const char *const *second = seconds; word > part && *second; second++)
        if ((size_t)(end - word) >= strlen(*second) && begins_with(word, end, *second))
            return 1;
    if (isdigit(end[-1]))
        for (; word < end; word++)
            if (*word == ';' || *word == '^' || *word == '\\')
                return 1;
    return 0;
}

/* Whether the word that ends before a `=` or `:` is known to be no secret's name; `part` is where it may
 * begin at the earliest. Unknown ones are Python's to judge. -1: an exception is set. */
static int
is_harmless(const unsigned char *part, const unsigned char *sign, PyObject *known)
{
    const unsigned char *end = sign;
    while (end > part && isspace(end[-1]))
        end--;
    const unsigned char *word = end;
    while (word > part && !isspace(word[-1]))
        word--;
    if (word == end)
        return 1;
    if (known == Py_None || sign - word >= LONGEST_KEY || goes_on(part, word, end))
        return 0;
    PyObject *key = PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, word, end - word);
    if (key == NULL)
        return -1;
    PyObject *verdict = PyDict_GetItemWithError(known, key);
    Py_DECREF(key);
    return verdict == NULL && PyErr_Occurred() ? -1 : verdict == Py_False;
}

/* All that stands in an ASCII text: 0, or of KEY and QUOTED; only the first of `last` or OTHER. `known`:
 * verdicts by name, or None. -1: an exception is set. */
static int
scan_text(const unsigned char *text, Py_ssize_t size, PyObject *known, int last)
{
    const unsigned char *begin = text, *part = text, *end = text + size;
    int found = 0;
    for (; text < end; text++) {
        int sign = signs[*text];
        if (sign == 0)
            continue;
        if (sign == OTHER || sign == last)
            return sign;
        if (sign == KEY) {
            int harmless = is_harmless(part, text, known);
            if (harmless < 0)
                return -1;
            found |= harmless ? 0 : KEY;
            part = text + 1;
        }
        else if (sign == QUOTED) {
            /* `("api_key", "…")` is a pair of a key and its value. */
            if ((*text == '"' || *text == '\'') && text > begin && text[-1] == '(')
                return OTHER;
            found |= QUOTED;
        }
        else if (may_begin(begin, text, end))
            return OTHER;
    }
    return found;
}

const char scan_doc[] = PyDoc_STR(
    "scan(text, known) -> int\n\nWhat a text may need looking at for: bit 0 a key that is not False in "
    "the dict `known`, bit 1 anything, bit 2 nothing but quoting.");

PyObject *
scan(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || (args[1] != Py_None && !PyDict_Check(args[1]))) {
        PyErr_SetString(PyExc_TypeError, "scan() takes a text, and a dict or None");
        return NULL;
    }
    int found = OTHER;
    PyObject *text = args[0];
    if (PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text))
        found = scan_text(PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text), args[1], OTHER);
    return found < 0 ? NULL : PyLong_FromLong(found);
}

/* The quoted text; NULL without an exception if it is not plain. */
static PyObject *
quote_plain(PyObject *value, Py_ssize_t length)
{
    if (verdicts == NULL || !PyUnicode_CheckExact(value) || !PyUnicode_IS_COMPACT_ASCII(value))
        return NULL;
    Py_ssize_t size = PyUnicode_GET_LENGTH(value);
    const unsigned char *text = PyUnicode_1BYTE_DATA(value);
    if (size > length || scan_text(text, size, verdicts, QUOTED))
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

const char use_verdicts_doc[] = PyDoc_STR(
    "use_verdicts(known)\n\nBy which names of keys, True for secrets, texts may be found harmless here; "
    "None: no text may.");

PyObject *
use_verdicts(PyObject *Py_UNUSED(module), PyObject *known)
{
    if (known != Py_None && !PyDict_Check(known)) {
        PyErr_SetString(PyExc_TypeError, "use_verdicts() takes a dict or None");
        return NULL;
    }
    Py_XSETREF(verdicts, known == Py_None ? NULL : Py_NewRef(known));
    Py_RETURN_NONE;
}
