/* `Codes`: the code objects of our wrappers, by identity, and tracebacks without their frames, as
 * plain tuples. (Python's own sets hash a code object by reading all that it consists of.)
 *
 * A place that raises once raises again: what a traceback has named is kept, by code and instruction, and
 * not made anew (10 frames: 1.2 µs without, 0.35 with). */

#include "native.h"

#define KNOWN_BITS 9

typedef struct {
    PyCodeObject *code; /* held, so that its address stays its own; NULL: nothing is known here */
    int instruction;
    int line;
    PyObject *described[2]; /* with its file, and with an empty one; or NULL */
} Known;

typedef struct {
    PyObject_HEAD
    PyObject **places; /* open addressing; NULL: free. Each is a reference, so that none is reused. */
    Py_ssize_t count;
    Py_ssize_t room; /* a power of 2, more than twice the count */
    PyObject *same;  /* the empty text */
    Known known[1 << KNOWN_BITS]; /* one place each: the newer takes it */
} Codes;

static inline uint64_t
hash_address(const void *address)
{
    /* Fibonacci hashing: the low bits of addresses are alike. */
    return (uint64_t)(uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15);
}

static inline PyObject **
find_place(PyObject **places, Py_ssize_t room, PyObject *code)
{
    uint64_t place = hash_address(code) >> 20;
    for (;; place++) {
        PyObject **found = &places[place & (uint64_t)(room - 1)];
        if (*found == NULL || *found == code)
            return found;
    }
}

static inline int
holds(Codes *self, PyObject *code)
{
    return self->count && *find_place(self->places, self->room, code) != NULL;
}

static int
grow(Codes *self)
{
    Py_ssize_t room = self->room ? 2 * self->room : 64;
    PyObject **places = PyMem_Calloc((size_t)room, sizeof(PyObject *));
    if (places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t place = 0; place < self->room; place++)
        if (self->places[place] != NULL)
            *find_place(places, room, self->places[place]) = self->places[place];
    PyMem_Free(self->places);
    self->places = places;
    self->room = room;
    return 0;
}

PyDoc_STRVAR(codes_add_doc, "add(code)\n\nHold one more, until it is discarded.");

static PyObject *
codes_add(Codes *self, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "a code object is wanted, not %s", Py_TYPE(code)->tp_name);
        return NULL;
    }
    if (2 * (self->count + 1) >= self->room && grow(self) < 0)
        return NULL;
    PyObject **place = find_place(self->places, self->room, code);
    if (*place == NULL) {
        *place = Py_NewRef(code);
        self->count++;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(codes_discard_doc, "discard(code)\n\nHold it no more, if it was held.");

static PyObject *
codes_discard(Codes *self, PyObject *code)
{
    if (!holds(self, code))
        Py_RETURN_NONE;
    PyObject **place = find_place(self->places, self->room, code);
    *place = NULL;
    self->count--;
    /* Those behind it may have been put there because this one was in their way. */
    for (Py_ssize_t next = place - self->places + 1;; next++) {
        PyObject **behind = &self->places[next & (self->room - 1)];
        PyObject *moved = *behind;
        if (moved == NULL)
            break;
        *behind = NULL;
        *find_place(self->places, self->room, moved) = moved;
    }
    Py_DECREF(code);
    Py_RETURN_NONE;
}

static int
codes_contains(Codes *self, PyObject *code)
{
    return holds(self, code);
}

static Py_ssize_t
codes_length(Codes *self)
{
    return self->count;
}

/* (file, line, name) of one entry of a traceback; NULL with an exception. `file`: what stands for it. */
static PyObject *
describe_frame(PyTracebackObject *entry, PyCodeObject *code, PyObject *file)
{
    int number = entry->tb_lineno; /* -1: not looked up yet */
    if (number == -1)
        number = PyCode_Addr2Line(code, entry->tb_lasti);
    /* What a line that is unknown looks like differs by version: there, Python says it. */
    PyObject *line = number < 0 ? PyObject_GetAttrString((PyObject *)entry, "tb_lineno")
                                : PyLong_FromLong(number);
    if (line == NULL)
        return NULL;
    PyObject *described = PyTuple_Pack(3, file, line, code->co_qualname);
    Py_DECREF(line);
    return described;
}

static inline int
names(const Known *known, const PyTracebackObject *entry, const PyCodeObject *code)
{
    return known->code == code && known->instruction == entry->tb_lasti &&
           known->line == entry->tb_lineno;
}

static void
forget(Known *known)
{
    /* Emptied first: letting go of a code object may run a callback of a weak reference. */
    Known gone = *known;
    memset(known, 0, sizeof *known);
    Py_XDECREF(gone.described[0]);
    Py_XDECREF(gone.described[1]);
    Py_XDECREF(gone.code);
}

/* As `describe_frame`, out of what is known; `brief`: without the file. */
static PyObject *
recall_frame(Codes *self, PyTracebackObject *entry, PyCodeObject *code, int brief)
{
    uint64_t hash = hash_address(code) + (uint64_t)(unsigned)entry->tb_lasti * UINT64_C(0xD6E8FEB86659FD93);
    Known *known = &self->known[hash >> (64 - KNOWN_BITS)];
    if (names(known, entry, code) && known->described[brief] != NULL)
        return Py_NewRef(known->described[brief]);
    PyObject *described = describe_frame(entry, code, brief ? self->same : code->co_filename);
    if (described == NULL)
        return NULL;
    /* Looked at anew: to name an unknown line may have run code. */
    if (!names(known, entry, code)) {
        forget(known);
        if (known->code != NULL)
            return described; /* that callback has raised, and taken the place */
        known->code = (PyCodeObject *)Py_NewRef((PyObject *)code);
        known->instruction = entry->tb_lasti;
        known->line = entry->tb_lineno;
    }
    Py_XSETREF(known->described[brief], Py_NewRef(described));
    return described;
}

/* Append an entry, unless its code is the wrappers' own. `last`: the file of the entry before, which is
 * not named again; NULL: every file is named. */
static int
add_frame(Codes *self, PyObject *found, PyTracebackObject *entry, PyObject **last)
{
    PyCodeObject *code = PyFrame_GetCode(entry->tb_frame);
    int status = 0;
    if (!holds(self, (PyObject *)code)) {
        PyObject *file = code->co_filename; /* one object for all code of a module */
        int brief = last != NULL && *last == file;
        if (last != NULL)
            *last = file;
        PyObject *described = recall_frame(self, entry, code, brief);
        status = described == NULL ? -1 : PyList_Append(found, described);
        Py_XDECREF(described);
    }
    Py_DECREF(code);
    return status;
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

/* All entries of a traceback; NULL with an exception. */
static PyObject *
walk(Codes *self, PyObject *entry, PyObject **last)
{
    PyObject *found = PyList_New(0);
    if (found == NULL)
        return NULL;
    /* Held, because whoever may run meanwhile can cut the chain. */
    Py_INCREF(entry);
    while (PyTraceBack_Check(entry) && add_frame(self, found, (PyTracebackObject *)entry, last) == 0) {
        PyObject *next = (PyObject *)((PyTracebackObject *)entry)->tb_next;
        Py_SETREF(entry, Py_NewRef(next != NULL ? next : Py_None));
    }
    int whole = entry == Py_None;
    Py_DECREF(entry);
    if (whole)
        return found;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "frames() takes a traceback or None");
    Py_DECREF(found);
    return NULL;
}

PyDoc_STRVAR(codes_frames_doc,
             "frames(traceback, most)\n\n(file, line, qualified name) of each frame, outermost first, "
             "without those of the codes held; an empty file is the one of the frame before. The middle "
             "of more than `most` is left out.");

static PyObject *
codes_frames(Codes *self, PyObject *args)
{
    PyObject *entry;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "On:frames", &entry, &most))
        return NULL;
    if (most < 2) {
        PyErr_SetString(PyExc_TypeError, "frames() takes a traceback, and 2 or more");
        return NULL;
    }
    PyObject *last = NULL, *found = walk(self, entry, &last);
    if (found != NULL && PyList_GET_SIZE(found) > most) {
        /* What the middle names cannot be left out. */
        Py_DECREF(found);
        found = walk(self, entry, NULL);
    }
    if (found != NULL && elide_middle(found, most) < 0)
        Py_CLEAR(found);
    return found;
}

static PyObject *
codes_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names))
        return NULL;
    Codes *self = (Codes *)type->tp_alloc(type, 0);
    if (self != NULL && (self->same = PyUnicode_New(0, 0)) == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int
codes_traverse(Codes *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    for (Py_ssize_t place = 0; place < self->room; place++)
        Py_VISIT(self->places[place]);
    for (int place = 0; place < 1 << KNOWN_BITS; place++) {
        Py_VISIT(self->known[place].code);
        Py_VISIT(self->known[place].described[0]);
        Py_VISIT(self->known[place].described[1]);
    }
    return 0;
}

static int
codes_clear(Codes *self)
{
    PyObject **places = self->places;
    Py_ssize_t room = self->room;
    self->places = NULL;
    self->count = self->room = 0;
    for (Py_ssize_t place = 0; place < room; place++)
        Py_XDECREF(places[place]);
    PyMem_Free(places);
    for (int place = 0; place < 1 << KNOWN_BITS; place++)
        forget(&self->known[place]);
    return 0;
}

static void
codes_dealloc(Codes *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    codes_clear(self);
    Py_XDECREF(self->same);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef codes_methods[] = {
    {"add", (PyCFunction)codes_add, METH_O, codes_add_doc},
    {"discard", (PyCFunction)codes_discard, METH_O, codes_discard_doc},
    {"frames", (PyCFunction)codes_frames, METH_VARARGS, codes_frames_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot codes_slots[] = {
    {Py_tp_doc, "Codes()\n\nCode objects by identity, and tracebacks without their frames."},
    {Py_tp_new, codes_new},
    {Py_tp_dealloc, codes_dealloc},
    {Py_tp_traverse, codes_traverse},
    {Py_tp_clear, codes_clear},
    {Py_tp_methods, codes_methods},
    {Py_sq_contains, codes_contains},
    {Py_sq_length, codes_length},
    {0, NULL},
};

PyType_Spec codes_spec = {
    .name = "tradespan._native.Codes",
    .basicsize = sizeof(Codes),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = codes_slots,
};
