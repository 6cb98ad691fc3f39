/* `Flights`: the calls of this process that run now, in slots of a mapped file. pages/FORMAT.md
 * describes the bytes, pages/flights.py holds the same in Python.
 *
 * A slot is free while its span id is 0: that word is stored last when a call enters, and alone when
 * it leaves, so that a killed process leaves no half of one. */

#include "native.h"

#include <stddef.h>
#include <structmember.h>

#define SLOTS 1024
#define NAME_ROOM 64
#define KNOWN_SITES 65536 /* of those that come later the table holds no declaration */
#define HEADER_WORDS 8    /* offset of the first word, in words */
#define HEADER_SIZE 128
#define RETRY_AFTER 1000000000 /* ns between two tries to make the file */

enum { OVERFLOW = 1, LAST = 2 }; /* words of the header */

typedef struct {
    uint64_t span_id;
    unsigned char trace_id[16];
    uint64_t parent_id;
    int64_t start;
    uint64_t thread;
    uint32_t site;
    uint16_t flags;
    uint8_t durable;
    uint8_t name_size;
    uint64_t unused;
    char name[NAME_ROOM];
} Slot;

_Static_assert(sizeof(Slot) == 128, "pages/FORMAT.md says so");

typedef struct {
    PyObject_HEAD
    PyObject *declare; /* (site): makes the file if there is none, and declares the site in it */
    Py_buffer mapping; /* obj is NULL: there is no file */
    int64_t retry_at;
    uint64_t missed;   /* calls that found no file */
    int free_count, lost_first, lost_count;
    uint16_t free[SLOTS], lost[SLOTS]; /* lost: of spans that were collected before they ended */
    unsigned char known[KNOWN_SITES / 8];
} Flights;

static inline uint64_t *
words_of(Flights *self)
{
    return (uint64_t *)self->mapping.buf + HEADER_WORDS;
}

static inline Slot *
slot_at(Flights *self, int place)
{
    return (Slot *)((char *)self->mapping.buf + HEADER_SIZE) + place;
}

static void
begin_anew(Flights *self)
{
    self->retry_at = 0;
    self->missed = 0;
    self->lost_first = self->lost_count = 0;
    self->free_count = SLOTS;
    for (int place = 0; place < SLOTS; place++)
        self->free[place] = (uint16_t)(SLOTS - 1 - place); /* the first page is used first */
    memset(self->known, 0, sizeof self->known);
}

static PyObject *
flights_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"declare", NULL};
    PyObject *declare;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &declare))
        return NULL;
    Flights *self = (Flights *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->declare = Py_NewRef(declare);
    begin_anew(self);
    return (PyObject *)self;
}

/* ── entering ────────────────────────────────────────────────────────────────────────────────────*/

static long
number_of(PyObject *site)
{
    long number = site != NULL && PyLong_CheckExact(site) ? PyLong_AsLong(site) : 0;
    if (number == -1 && PyErr_Occurred())
        PyErr_Clear();
    return number;
}

int
is_cleared(PyObject *flights, PyObject *site)
{
    Flights *self = (Flights *)flights;
    long number = number_of(site);
    return self->mapping.obj != NULL &&
           (number <= 0 || number >= KNOWN_SITES || self->known[number >> 3] & 1 << (number & 7));
}

int
clear_flight(PyObject *flights, PyObject *site)
{
    Flights *self = (Flights *)flights;
    int64_t now = monotonic_now();
    if (self->mapping.obj == NULL && now < self->retry_at)
        return 0;
    Py_INCREF(self);
    PyObject *declared = PyObject_CallOneArg(self->declare, site);
    long number = number_of(site);
    if (self->mapping.obj == NULL)
        self->retry_at = now + RETRY_AFTER;
    else if (number > 0 && number < KNOWN_SITES)
        /* Even if there was no room for its declaration: not asked for at each call. */
        self->known[number >> 3] |= (unsigned char)(1 << (number & 7));
    Py_DECREF(self);
    Py_XDECREF(declared);
    return declared == NULL ? -1 : 0;
}

static void flights_dealloc(Flights *self);

/* The place of a span that has one here; -1: it has none. `self` may be one of the way in Python. */
static int
place_of(Flights *self, SpanState *span)
{
    int place = span->slot - 1;
    if (Py_TYPE(self)->tp_dealloc != (destructor)flights_dealloc)
        return -1;
    if (self->mapping.obj == NULL || place < 0 || place >= SLOTS)
        return -1;
    return slot_at(self, place)->span_id == span->span_id ? place : -1;
}

static int
take_place(Flights *self)
{
    if (self->free_count > 0)
        return self->free[--self->free_count];
    words_of(self)[OVERFLOW] += 1;
    if (self->lost_count == 0)
        return -1;
    int place = self->lost[self->lost_first];
    self->lost_first = (self->lost_first + 1) % SLOTS;
    self->lost_count--;
    slot_at(self, place)->span_id = 0;
    return place;
}

static void
put_name(Slot *slot, PyObject *name)
{
    Py_ssize_t size = 0;
    const char *text = NULL;
    if (name != NULL && PyUnicode_CheckExact(name) &&
        (text = PyUnicode_AsUTF8AndSize(name, &size)) == NULL)
        PyErr_Clear(); /* a lone surrogate: it goes without */
    if (text == NULL)
        size = 0;
    if (size > NAME_ROOM)
        size = NAME_ROOM;
    if (size)
        memcpy(slot->name, text, (size_t)size);
    slot->name_size = (uint8_t)size;
}

void
enter_flight(PyObject *flights, SpanState *span, int durable)
{
    Flights *self = (Flights *)flights;
    if (self->mapping.obj == NULL) {
        self->missed++;
        return;
    }
    int place = span->flights == flights ? place_of(self, span) : -1;
    if (place < 0 && (place = take_place(self)) < 0)
        return;
    Slot *slot = slot_at(self, place);
    if (span->trace_key != NULL && PyBytes_CheckExact(span->trace_key) &&
        PyBytes_GET_SIZE(span->trace_key) == 16)
        memcpy(slot->trace_id, PyBytes_AS_STRING(span->trace_key), 16);
    slot->parent_id = span->parent_id;
    slot->start = span->began + span->offset;
    slot->thread = (uint64_t)PyThread_get_thread_ident();
    slot->site = (uint32_t)number_of(span->site);
    slot->flags = (uint16_t)span->flags;
    slot->durable = (uint8_t)durable;
    put_name(slot, span->name_set);
    words_of(self)[LAST] = (uint64_t)slot->start;
    __atomic_store_n(&slot->span_id, span->span_id, __ATOMIC_RELEASE);
    span->slot = place + 1;
    if (span->flights != flights)
        Py_XSETREF(span->flights, Py_NewRef(flights));
}

void
leave_flight(SpanState *span)
{
    Flights *self = (Flights *)span->flights;
    int place = place_of(self, span);
    if (place >= 0) {
        if (span->has_ended)
            words_of(self)[LAST] = (uint64_t)(span->ended + span->offset);
        __atomic_store_n(&slot_at(self, place)->span_id, 0, __ATOMIC_RELEASE);
        self->free[self->free_count++] = (uint16_t)place;
    }
    span->slot = 0;
    Py_CLEAR(span->flights);
}

void
lose_flight(SpanState *span)
{
    Flights *self = (Flights *)span->flights;
    int place = place_of(self, span);
    if (place >= 0)
        self->lost[(self->lost_first + self->lost_count++) % SLOTS] = (uint16_t)place;
    span->slot = 0;
    Py_CLEAR(span->flights);
}

/* ── for Python ──────────────────────────────────────────────────────────────────────────────────*/

static SpanState *
read_span(Flights *self, PyObject *value)
{
    State *state = PyType_GetModuleState(Py_TYPE(self));
    if (PyObject_TypeCheck(value, state->state_type))
        return (SpanState *)value;
    PyErr_SetString(PyExc_TypeError, "a span is wanted");
    return NULL;
}

PyDoc_STRVAR(flights_enter_doc,
             "enter(span, durable)\n\nGive a running span a slot; one that has a slot is written anew.");

static PyObject *
flights_enter(Flights *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "enter() takes 2 arguments, %zd were given", count);
        return NULL;
    }
    int durable = PyObject_IsTrue(args[1]);
    SpanState *span = read_span(self, args[0]);
    if (span == NULL || durable < 0)
        return NULL;
    if (!is_cleared((PyObject *)self, span->site) &&
        clear_flight((PyObject *)self, span->site) < 0)
        return NULL;
    if (!span->has_ended)
        enter_flight((PyObject *)self, span, durable);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(flights_leave_doc, "leave(span)\n\nFree its slot, if it has one.");

static PyObject *
flights_leave(Flights *self, PyObject *value)
{
    SpanState *span = read_span(self, value);
    if (span == NULL)
        return NULL;
    if (span->flights != NULL)
        leave_flight(span);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(flights_use_doc, "use(mapping)\n\nThe file's mapping: from now on there are slots.");

static PyObject *
flights_use(Flights *self, PyObject *mapping)
{
    Py_buffer fresh;
    if (PyObject_GetBuffer(mapping, &fresh, PyBUF_WRITABLE) < 0)
        return NULL;
    if (fresh.len < HEADER_SIZE + SLOTS * (Py_ssize_t)sizeof(Slot) || (uintptr_t)fresh.buf & 7) {
        PyBuffer_Release(&fresh);
        PyErr_SetString(PyExc_ValueError, "the mapping is no table's");
        return NULL;
    }
    Py_buffer last = self->mapping;
    uint64_t missed = self->missed;
    begin_anew(self);
    self->mapping = fresh;
    words_of(self)[OVERFLOW] += missed;
    PyBuffer_Release(&last);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(flights_restart_doc, "restart()\n\nIn a forked child: the file is the parent's.");

static PyObject *
flights_restart(Flights *self, PyObject *Py_UNUSED(none))
{
    Py_buffer last = self->mapping;
    memset(&self->mapping, 0, sizeof last);
    begin_anew(self);
    PyBuffer_Release(&last);
    Py_RETURN_NONE;
}

static PyObject *
flights_get_open(Flights *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(SLOTS - self->free_count);
}

/* Not the mapping's owner, as in lane.c. */
static int
flights_traverse(Flights *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->declare);
    return 0;
}

/* A span may begin while its recorder is being collected: it finds a table that has no file. */
static int
flights_clear(Flights *self)
{
    Py_buffer last = self->mapping;
    memset(&self->mapping, 0, sizeof last);
    PyBuffer_Release(&last);
    Py_XSETREF(self->declare, Py_NewRef(Py_None));
    self->retry_at = INT64_MAX;
    return 0;
}

static void
flights_dealloc(Flights *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    flights_clear(self);
    Py_CLEAR(self->declare);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef flights_methods[] = {
    {"enter", (PyCFunction)(void (*)(void))flights_enter, METH_FASTCALL, flights_enter_doc},
    {"leave", (PyCFunction)flights_leave, METH_O, flights_leave_doc},
    {"use", (PyCFunction)flights_use, METH_O, flights_use_doc},
    {"restart", (PyCFunction)flights_restart, METH_NOARGS, flights_restart_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef flights_members[] = {
    {"missed", T_ULONGLONG, offsetof(Flights, missed), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef flights_properties[] = {
    {"open", (getter)flights_get_open, NULL, "Slots that are taken.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot flights_slots[] = {
    {Py_tp_doc, "Flights(declare)\n\nThe calls that run now, in slots of a mapped file."},
    {Py_tp_new, flights_new},
    {Py_tp_dealloc, flights_dealloc},
    {Py_tp_traverse, flights_traverse},
    {Py_tp_clear, flights_clear},
    {Py_tp_methods, flights_methods},
    {Py_tp_members, flights_members},
    {Py_tp_getset, flights_properties},
    {0, NULL},
};

PyType_Spec flights_spec = {
    .name = "tradespan._native.Flights",
    .basicsize = sizeof(Flights),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = flights_slots,
};
