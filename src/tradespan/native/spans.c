/* `SpanState`, the fields of a span, and `Starter` which fills them for the two common cases: a child
 * of a plain span of ours, and a root. Everything else goes by instrument/begin.py. */

#include "native.h"

#include <stddef.h>
#include <structmember.h>

int64_t
monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* the clock of `time.monotonic_ns` on Linux */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ── SpanState ───────────────────────────────────────────────────────────────────────────────────
 * What is NULL reads as None, but for the two whose absence says that they were never made. */

static PyMemberDef state_members[] = {
    {"recorder", T_OBJECT_EX, offsetof(SpanState, recorder), 0, NULL},
    {"site", T_OBJECT_EX, offsetof(SpanState, site), 0, NULL},
    {"trace_key", T_OBJECT_EX, offsetof(SpanState, trace_key), 0, NULL},
    {"outer", T_OBJECT_EX, offsetof(SpanState, outer), 0, NULL},
    {"_context", T_OBJECT_EX, offsetof(SpanState, context), 0, NULL},
    {"name_set", T_OBJECT, offsetof(SpanState, name_set), 0, NULL},
    {"held", T_OBJECT, offsetof(SpanState, held), 0, NULL},
    {"arguments", T_OBJECT, offsetof(SpanState, arguments), 0, NULL},
    {"result", T_OBJECT, offsetof(SpanState, result), 0, NULL},
    {"extras", T_OBJECT, offsetof(SpanState, extras), 0, NULL},
    {"flights", T_OBJECT, offsetof(SpanState, flights), 0, NULL},
    {"span_id", T_ULONGLONG, offsetof(SpanState, span_id), 0, NULL},
    {"parent_id", T_ULONGLONG, offsetof(SpanState, parent_id), 0, NULL},
    {"offset", T_LONGLONG, offsetof(SpanState, offset), 0, NULL},
    {"began", T_LONGLONG, offsetof(SpanState, began), 0, NULL},
    {"flags", T_LONG, offsetof(SpanState, flags), 0, NULL},
    {"slot", T_INT, offsetof(SpanState, slot), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *
state_get_ended(SpanState *self, void *Py_UNUSED(closure))
{
    if (!self->has_ended)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(self->ended);
}

static int
state_set_ended(SpanState *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || value == Py_None) {
        self->has_ended = 0;
        return 0;
    }
    int64_t ended = PyLong_AsLongLong(value);
    if (ended == -1 && PyErr_Occurred())
        return -1;
    self->ended = ended;
    self->has_ended = 1;
    return 0;
}

static PyGetSetDef state_properties[] = {
    {"ended", (getter)state_get_ended, (setter)state_set_ended, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static int
state_traverse(SpanState *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->recorder);
    Py_VISIT(self->site);
    Py_VISIT(self->trace_key);
    Py_VISIT(self->outer);
    Py_VISIT(self->context);
    Py_VISIT(self->name_set);
    Py_VISIT(self->held);
    Py_VISIT(self->arguments);
    Py_VISIT(self->result);
    Py_VISIT(self->extras);
    Py_VISIT(self->flights);
    return 0;
}

static int
state_clear(SpanState *self)
{
    if (self->flights != NULL)
        lose_flight(self);
    Py_CLEAR(self->recorder);
    Py_CLEAR(self->site);
    Py_CLEAR(self->trace_key);
    Py_CLEAR(self->outer);
    Py_CLEAR(self->context);
    Py_CLEAR(self->name_set);
    Py_CLEAR(self->held);
    Py_CLEAR(self->arguments);
    Py_CLEAR(self->result);
    Py_CLEAR(self->extras);
    return 0;
}

static void
state_dealloc(SpanState *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    state_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot state_slots[] = {
    {Py_tp_doc, "The fields of a span; instrument/state.py says what each is."},
    {Py_tp_dealloc, state_dealloc},
    {Py_tp_traverse, state_traverse},
    {Py_tp_clear, state_clear},
    {Py_tp_members, state_members},
    {Py_tp_getset, state_properties},
    {0, NULL},
};

PyType_Spec state_spec = {
    .name = "tradespan._native.SpanState",
    .basicsize = sizeof(SpanState),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = state_slots,
};

/* ── Starter ───────────────────────────────────────────────────────────────────────────────────*/

typedef struct {
    PyObject_HEAD
    PyTypeObject *span_type;    /* our Span, whose first fields are a SpanState */
    PyTypeObject *context_type; /* OpenTelemetry's Context, a dict */
    PyObject *span_key;         /* under which a context keeps its span */
    PyObject *recorder;
    PyObject *flights; /* where what runs is told; NULL: nowhere */
    int64_t offset;
    int64_t anchor_until;
    char plain;
    char plain_roots;
    uint64_t random[4];
} Starter;

/* xoshiro256**: ids have to be unique, not secret. The seed is 256 bits of the system's. Source:
 * Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021. */
static inline uint64_t
rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t
draw(Starter *self)
{
    uint64_t *state = self->random;
    uint64_t drawn = rotate(state[1] * 5, 7) * 9, shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 45);
    return drawn;
}

static PyObject *
starter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"span_type", "context_type", "span_key", "recorder", "seed", NULL};
    PyTypeObject *span_type, *context_type;
    PyObject *span_key, *recorder;
    Py_buffer seed;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!UOy*", names, &PyType_Type, &span_type,
                                     &PyType_Type, &context_type, &span_key, &recorder, &seed))
        return NULL;
    State *state = PyType_GetModuleState(type);
    Starter *self = NULL;
    if (!PyType_IsSubtype(span_type, state->state_type) ||
        !PyType_IsSubtype(context_type, &PyDict_Type))
        PyErr_SetString(PyExc_TypeError, "a span is a SpanState, and a context a dict");
    else if (seed.len != sizeof self->random)
        PyErr_SetString(PyExc_ValueError, "a seed has 32 bytes");
    else
        self = (Starter *)type->tp_alloc(type, 0);
    if (self != NULL) {
        memcpy(self->random, seed.buf, sizeof self->random);
        self->random[0] |= 1; /* all zero would stay so */
        self->span_type = (PyTypeObject *)Py_NewRef(span_type);
        self->context_type = (PyTypeObject *)Py_NewRef(context_type);
        self->span_key = Py_NewRef(span_key);
        self->recorder = Py_NewRef(recorder);
    }
    PyBuffer_Release(&seed);
    return (PyObject *)self;
}

static PyObject *
draw_trace_key(Starter *self)
{
    uint64_t halves[2] = {draw(self), draw(self)};
    return PyBytes_FromStringAndSize((char *)halves, sizeof halves);
}

/* The span of ours that is current in `outer`, borrowed; what is outside of it in `base`. 0: there is
 * none. -1: not for us (a foreign span, another context runtime). */
static int
find_parent(Starter *self, PyObject *outer, SpanState **parent, PyObject **base)
{
    PyObject *found = outer;
    *base = outer;
    if (Py_TYPE(outer) == self->span_type)
        /* Not the span itself: each would hold the one before, where tasks start tasks. */
        *base = ((SpanState *)outer)->outer;
    else if (Py_TYPE(outer) == self->context_type) {
        found = PyDict_GetItemWithError(outer, self->span_key);
        if (found == NULL)
            return PyErr_Occurred() ? -1 : 0;
    }
    if (Py_TYPE(found) != self->span_type || *base == NULL)
        return -1;
    *parent = (SpanState *)found;
    PyObject *extras = (*parent)->extras;
    return (extras == NULL || extras == Py_None) && (*parent)->trace_key != NULL ? 1 : -1;
}

PyDoc_STRVAR(starter_begin_doc,
             "begin(site, flags, outer, trace_key, name) -> Span | None\n\nThe span of a call that begins "
             "now, below what is current; None where it is not for this way. `trace_key`: of a root; "
             "None: any. `name`: None: the site's.");

/* Whether a span is the first of its trace in this process, and is to be told. */
static inline int
is_first(Starter *self, int found, SpanState *parent)
{
    return self->flights != NULL && found >= 0 && (!found || parent->recorder != self->recorder);
}

#define KEPT_BITS 0xFF00
#define ROOT_FLAGS 0x0300 /* sampled, random */

static PyObject *
starter_begin(Starter *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 && count != 5) {
        PyErr_Format(PyExc_TypeError, "begin() takes 4 or 5 arguments, %zd were given", count);
        return NULL;
    }
    if (!self->plain)
        Py_RETURN_NONE;
    long flags = PyLong_AsLong(args[1]);
    if (flags == -1 && PyErr_Occurred())
        return NULL;
    SpanState *parent = NULL;
    PyObject *base, *outer = args[2], *given = args[3];
    PyObject *name = count == 5 && args[4] != Py_None ? args[4] : NULL;
    int found = find_parent(self, outer, &parent, &base);
    int first = is_first(self, found, parent);
    if (first && !is_cleared(self->flights, args[0])) {
        if (clear_flight(self->flights, args[0]) < 0)
            return NULL;
        /* Python code has run. */
        found = find_parent(self, outer, &parent, &base);
        first = is_first(self, found, parent);
    }
    int64_t began = monotonic_now();
    if (found < 0 && PyErr_Occurred())
        return NULL;
    if (found < 0 || (!found && (!self->plain_roots || began >= self->anchor_until)))
        Py_RETURN_NONE;
    PyObject *trace_key;
    if (found)
        trace_key = Py_NewRef(parent->trace_key);
    else if (given != Py_None)
        trace_key = Py_NewRef(given);
    else if ((trace_key = draw_trace_key(self)) == NULL)
        return NULL;
    /* All that is borrowed is taken before: allocating may collect, and run finalizers. */
    uint64_t span_id = draw(self), parent_id = found ? parent->span_id : 0;
    int64_t offset = found ? parent->offset : self->offset;
    flags |= found ? parent->flags & KEPT_BITS : ROOT_FLAGS;
    Py_INCREF(base);
    PyObject *recorder = Py_NewRef(self->recorder);
    SpanState *span = (SpanState *)self->span_type->tp_alloc(self->span_type, 0);
    if (span == NULL) {
        Py_DECREF(trace_key);
        Py_DECREF(base);
        Py_DECREF(recorder);
        return NULL;
    }
    span->trace_key = trace_key;
    span->site = Py_NewRef(args[0]);
    span->recorder = recorder;
    span->outer = base;
    span->span_id = span_id ? span_id : 1;
    span->parent_id = parent_id;
    span->offset = offset;
    span->flags = flags;
    span->began = began;
    span->name_set = Py_XNewRef(name);
    if (first)
        enter_flight(self->flights, span, 0);
    return (PyObject *)span;
}

static int
starter_traverse(Starter *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->span_type);
    Py_VISIT(self->context_type);
    Py_VISIT(self->recorder);
    Py_VISIT(self->flights);
    return 0;
}

/* The types stay until the end: a span may begin while a recorder is being collected. */
static int
starter_clear(Starter *self)
{
    self->plain = 0;
    Py_CLEAR(self->recorder);
    Py_CLEAR(self->flights);
    return 0;
}

static void
starter_dealloc(Starter *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    starter_clear(self);
    Py_CLEAR(self->span_type);
    Py_CLEAR(self->context_type);
    Py_CLEAR(self->span_key);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef starter_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))starter_begin, METH_FASTCALL, starter_begin_doc},
    {NULL, NULL, 0, NULL},
};

static PyObject *
starter_get_flights(Starter *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->flights == NULL ? Py_None : self->flights);
}

static int
starter_set_flights(Starter *self, PyObject *value, void *Py_UNUSED(closure))
{
    State *state = PyType_GetModuleState(Py_TYPE(self));
    if (value == NULL || (value != Py_None && Py_TYPE(value) != state->flights_type)) {
        PyErr_SetString(PyExc_TypeError, "flights are a Flights, or None");
        return -1;
    }
    Py_XSETREF(self->flights, value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static PyGetSetDef starter_properties[] = {
    {"flights", (getter)starter_get_flights, (setter)starter_set_flights, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef starter_members[] = {
    {"offset", T_LONGLONG, offsetof(Starter, offset), 0, NULL},
    {"anchor_until", T_LONGLONG, offsetof(Starter, anchor_until), 0, NULL},
    {"plain", T_BOOL, offsetof(Starter, plain), 0, NULL},
    {"plain_roots", T_BOOL, offsetof(Starter, plain_roots), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot starter_slots[] = {
    {Py_tp_doc, "Starter(span_type, context_type, span_key, recorder, seed)\n\nBegins plain spans."},
    {Py_tp_new, starter_new},
    {Py_tp_dealloc, starter_dealloc},
    {Py_tp_traverse, starter_traverse},
    {Py_tp_clear, starter_clear},
    {Py_tp_methods, starter_methods},
    {Py_tp_members, starter_members},
    {Py_tp_getset, starter_properties},
    {0, NULL},
};

PyType_Spec starter_spec = {
    .name = "tradespan._native.Starter",
    .basicsize = sizeof(Starter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = starter_slots,
};
