/* `NumberCell` and `HistogramCells`: see pages/numbers.py for the same in Python, and what each is.
 *
 * Adding is one step for other threads, because nothing between a load and its store lets go of the
 * GIL. What may run Python code stands before the load (values of rare types), or behind the last
 * store (a place, an exemplar), and may find the cells moved. */

#include "native.h"

#include <math.h>

#define EXEMPLAR_CELLS 6
#define NUMBER_CELLS (2 + EXEMPLAR_CELLS)
#define HISTOGRAM_EXTRA (4 + EXEMPLAR_CELLS)
#define EXEMPLAR_EVERY 100000000 /* ns */
#define LOOK_EVERY 10000000

enum { COUNTER, UP_DOWN, GAUGE, HISTOGRAM };

typedef union {
    double number;
    uint64_t whole;
} Cell;

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    Cell *cells; /* number: [value][time][exemplar]; histogram: [buckets][sum][least][greatest][exemplar] */
    PyObject *owner;
    int64_t due; /* when to tend next, by the coarse clock */
    Py_ssize_t exemplar;
    Py_ssize_t buckets;
    double *bounds;
    int kind;
    char waits;
} Cells;

static int64_t
read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t
coarse_now(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE);
#else
    return read_clock(CLOCK_MONOTONIC);
#endif
}

/* ── memory ──────────────────────────────────────────────────────────────────────────────────── */

static int
view_memory(Cells *self, PyObject *memory, Py_buffer *view)
{
    Py_ssize_t size = 8 * (self->exemplar + EXEMPLAR_CELLS);
    if (PyObject_GetBuffer(memory, view, PyBUF_WRITABLE) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError))
            return -1;
        PyErr_Clear();
    }
    else if (view->len == size && ((uintptr_t)view->buf & 7) == 0)
        return 0;
    else
        PyBuffer_Release(view);
    PyErr_Format(PyExc_ValueError, "these cells take %zd bytes that can be written", size);
    return -1;
}

static void
begin_there(Cells *self, Py_buffer *view, int waits)
{
    self->view = *view;
    self->cells = view->buf;
    self->waits = (char)waits;
    self->due = INT64_MIN;
    if (self->kind != HISTOGRAM)
        return;
    for (Py_ssize_t place = 0; place < self->buckets; place++)
        if (self->cells[place].whole)
            return;
    self->cells[self->buckets + 1].number = Py_HUGE_VAL;
    self->cells[self->buckets + 2].number = -Py_HUGE_VAL;
}

static void
carry_number(Cells *self, const Cell *before)
{
    if (self->kind != GAUGE)
        self->cells[0].number += before[0].number;
    else if (before[1].whole) {
        self->cells[0] = before[0];
        self->cells[1] = before[1];
    }
}

static void
carry_histogram(Cells *self, const Cell *before)
{
    Cell *sum = self->cells + self->buckets;
    before += self->buckets;
    if (before[1].number < sum[1].number)
        sum[1] = before[1];
    if (before[2].number > sum[2].number)
        sum[2] = before[2];
    sum[0].number += before[0].number;
    for (Py_ssize_t place = 1; place <= self->buckets; place++)
        sum[-place].whole += before[-place].whole;
}

PyDoc_STRVAR(move_doc, "move(memory)\n\nGo on there, with what was counted added to what is there.");

static PyObject *
cells_move(Cells *self, PyObject *memory)
{
    Py_buffer view;
    if (view_memory(self, memory, &view) < 0)
        return NULL;
    Py_buffer before = self->view;
    begin_there(self, &view, 0);
    if (view.buf == before.buf)
        ; /* it is there already */
    else if (self->kind == HISTOGRAM)
        carry_histogram(self, before.buf);
    else
        carry_number(self, before.buf);
    PyBuffer_Release(&before);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(restart_doc, "restart(memory, waits=False)\n\nGo on there. `waits`: for the first "
                          "count, at which the owner is told to `place`.");

static PyObject *
cells_restart(Cells *self, PyObject *args)
{
    PyObject *memory;
    int waits = 0;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "O|p", &memory, &waits) || view_memory(self, memory, &view) < 0)
        return NULL;
    Py_buffer before = self->view;
    begin_there(self, &view, waits);
    PyBuffer_Release(&before);
    Py_RETURN_NONE;
}

/* ── what is asked of the owner ──────────────────────────────────────────────────────────────── */

static int
refuse(Cells *self, PyObject *value)
{
    PyObject *done = PyObject_CallMethod(self->owner, "refuse", "O", value);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* 1: `number` is read; 0: it was refused; -1: an exception of the host's is set. */
static int
read_number(Cells *self, PyObject *value, double *number)
{
    if (PyFloat_CheckExact(value)) {
        *number = PyFloat_AS_DOUBLE(value);
        return 1;
    }
    if (PyLong_CheckExact(value)) {
        *number = PyLong_AsDouble(value);
        if (*number != -1.0 || !PyErr_Occurred())
            return 1;
        PyErr_Clear();
        return refuse(self, value);
    }
    PyObject *converted = PyObject_CallMethod(self->owner, "to_number", "O", value);
    if (converted == NULL)
        return -1;
    int found = converted != Py_None;
    *number = found ? PyFloat_AsDouble(converted) : 0.0;
    Py_DECREF(converted);
    return found && PyErr_Occurred() ? -1 : found;
}

static void
write_exemplar(Cells *self, double number, const char *trace_id, uint64_t span_id)
{
    Cell *place = self->cells + self->exemplar;
    place[0].whole += 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    place[1].number = number;
    place[2].whole = (uint64_t)read_clock(CLOCK_REALTIME);
    place[3].whole = span_id;
    memcpy(place + 4, trace_id, 16);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    place[0].whole += 1;
}

/* After a count, when it is time to: get a place, or an exemplar. */
static int
tend(Cells *self, double number)
{
    if (self->waits) {
        self->waits = 0;
        PyObject *done = PyObject_CallMethod(self->owner, "place", "O", self);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    self->due = coarse_now() + LOOK_EVERY;
    PyObject *found = PyObject_CallMethod(self->owner, "find_span", NULL);
    if (found == NULL)
        return -1;
    const char *trace_id;
    Py_ssize_t length;
    unsigned long long span_id;
    int status = 0;
    if (found != Py_None) {
        status = PyArg_ParseTuple(found, "y#K", &trace_id, &length, &span_id) ? 0 : -1;
        if (status == 0 && length == 16) {
            self->due = coarse_now() + EXEMPLAR_EVERY;
            write_exemplar(self, number, trace_id, span_id);
        }
    }
    Py_DECREF(found);
    return status;
}

static inline PyObject *
after_count(Cells *self, double number)
{
    if (coarse_now() >= self->due && tend(self, number) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* None where a value was refused; NULL with an exception of the host's. */
static PyObject *
refused(int status)
{
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ── NumberCell ──────────────────────────────────────────────────────────────────────────────── */

PyDoc_STRVAR(add_doc, "add(value=1)\n\nAdd. What is no finite number, and in a counter what is "
                      "negative, is refused and counted, never raised.");

static PyObject *
number_add(Cells *self, PyObject *const *args, Py_ssize_t count)
{
    double number = 1.0;
    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "add takes one value");
        return NULL;
    }
    if (count) {
        int status = read_number(self, args[0], &number);
        if (status <= 0)
            return refused(status);
    }
    double total = self->cells[0].number + number;
    if (!isfinite(total) || (number < 0.0 && self->kind == COUNTER))
        return refused(count ? refuse(self, args[0]) : 0);
    self->cells[0].number = total;
    if (self->kind == GAUGE)
        self->cells[1].whole = (uint64_t)read_clock(CLOCK_REALTIME);
    return after_count(self, number);
}

PyDoc_STRVAR(set_doc, "set(value)\n\nOf a gauge: it is this now. What is no finite number is refused "
                      "and counted, never raised.");

static PyObject *
number_set(Cells *self, PyObject *value)
{
    double number;
    int status = read_number(self, value, &number);
    if (status <= 0)
        return refused(status);
    if (self->kind != GAUGE || !isfinite(number))
        return refused(refuse(self, value));
    self->cells[0].number = number;
    self->cells[1].whole = (uint64_t)read_clock(CLOCK_REALTIME);
    return after_count(self, number);
}

PyDoc_STRVAR(forget_doc, "forget()\n\nOf a gauge: as if it had never been set.");

static PyObject *
number_forget(Cells *self, PyObject *Py_UNUSED(none))
{
    self->cells[1].whole = 0;
    self->cells[0].number = 0.0;
    Py_RETURN_NONE;
}

static PyObject *
number_value(Cells *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(self->cells[0].number);
}

/* ── HistogramCells ──────────────────────────────────────────────────────────────────────────── */

PyDoc_STRVAR(record_doc, "record(value)\n\nCount a value in the first bucket whose bound is not under "
                         "it. What is no finite number is refused and counted, never raised.");

static PyObject *
histogram_record(Cells *self, PyObject *value)
{
    double number;
    int status = read_number(self, value, &number);
    if (status <= 0)
        return refused(status);
    Cell *sum = self->cells + self->buckets;
    double total = sum[0].number + number;
    if (!isfinite(total))
        return refused(refuse(self, value));
    Py_ssize_t low = 0, high = self->buckets - 1;
    while (low < high) {
        Py_ssize_t middle = (low + high) / 2;
        if (self->bounds[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    /* FORMAT.md, rule 3: a killed process leaves no count without its parts. */
    if (number < sum[1].number)
        sum[1].number = number;
    if (number > sum[2].number)
        sum[2].number = number;
    sum[0].number = total;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->cells[low].whole += 1;
    return after_count(self, number);
}

static uint64_t
count_all(const Cells *self)
{
    uint64_t count = 0;
    for (Py_ssize_t place = 0; place < self->buckets; place++)
        count += self->cells[place].whole;
    return count;
}

static PyObject *
histogram_count(Cells *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(count_all(self));
}

static PyObject *
histogram_bucket_counts(Cells *self, void *Py_UNUSED(closure))
{
    PyObject *counts = PyTuple_New(self->buckets);
    for (Py_ssize_t place = 0; counts != NULL && place < self->buckets; place++) {
        PyObject *count = PyLong_FromUnsignedLongLong(self->cells[place].whole);
        if (count == NULL)
            Py_CLEAR(counts);
        else
            PyTuple_SET_ITEM(counts, place, count);
    }
    return counts;
}

static PyObject *
histogram_sum(Cells *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(self->cells[self->buckets].number);
}

static PyObject *
histogram_extreme(Cells *self, void *offset)
{
    if (count_all(self) == 0)
        Py_RETURN_NONE;
    return PyFloat_FromDouble(self->cells[self->buckets + (intptr_t)offset].number);
}

/* ── both ────────────────────────────────────────────────────────────────────────────────────── */

static PyObject *
begin_cells(Cells *self, PyObject *owner, PyObject *memory)
{
    Py_buffer view;
    if (self == NULL || view_memory(self, memory, &view) < 0) {
        Py_XDECREF(self);
        return NULL;
    }
    self->owner = Py_NewRef(owner);
    begin_there(self, &view, 0);
    return (PyObject *)self;
}

static PyObject *
number_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"owner", "memory", "kind", NULL};
    PyObject *owner, *memory;
    int kind;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOi", names, &owner, &memory, &kind))
        return NULL;
    if (kind < COUNTER || kind > GAUGE)
        return PyErr_Format(PyExc_ValueError, "there is no kind %d of a number", kind);
    Cells *self = (Cells *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->kind = kind;
        self->exemplar = NUMBER_CELLS - EXEMPLAR_CELLS;
    }
    return begin_cells(self, owner, memory);
}

static int
read_bounds(Cells *self, PyObject *bounds)
{
    Py_ssize_t count = PyTuple_GET_SIZE(bounds);
    self->buckets = count + 1;
    self->exemplar = count + HISTOGRAM_EXTRA - EXEMPLAR_CELLS;
    self->bounds = PyMem_Calloc((size_t)count + 1, sizeof(double));
    if (self->bounds == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    double before = -Py_HUGE_VAL;
    for (Py_ssize_t place = 0; place < count; place++) {
        double bound = PyFloat_AsDouble(PyTuple_GET_ITEM(bounds, place));
        if (bound == -1.0 && PyErr_Occurred())
            return -1;
        if (!isfinite(bound) || !(bound > before)) {
            PyErr_SetString(PyExc_ValueError, "bounds have to rise, and to be finite");
            return -1;
        }
        self->bounds[place] = before = bound;
    }
    return 0;
}

static PyObject *
histogram_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"owner", "memory", "bounds", NULL};
    PyObject *owner, *memory, *bounds;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!", names, &owner, &memory, &PyTuple_Type,
                                     &bounds))
        return NULL;
    Cells *self = (Cells *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->kind = HISTOGRAM;
    if (read_bounds(self, bounds) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return begin_cells(self, owner, memory);
}

PyDoc_STRVAR(reduce_doc, "__reduce__()\n\nA copy is the same child of the other process's instrument.");

static PyObject *
cells_reduce(Cells *self, PyObject *Py_UNUSED(none))
{
    return PyObject_CallMethod(self->owner, "reduce", "O", self);
}

static int
cells_traverse(Cells *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owner);
    return 0;
}

static void
cells_dealloc(Cells *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->owner);
    PyBuffer_Release(&self->view);
    PyMem_Free(self->bounds);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef number_methods[] = {
    {"add", (PyCFunction)(void (*)(void))number_add, METH_FASTCALL, add_doc},
    {"set", (PyCFunction)number_set, METH_O, set_doc},
    {"forget", (PyCFunction)number_forget, METH_NOARGS, forget_doc},
    {"move", (PyCFunction)cells_move, METH_O, move_doc},
    {"restart", (PyCFunction)cells_restart, METH_VARARGS, restart_doc},
    {"__reduce__", (PyCFunction)cells_reduce, METH_NOARGS, reduce_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef histogram_methods[] = {
    {"record", (PyCFunction)histogram_record, METH_O, record_doc},
    {"move", (PyCFunction)cells_move, METH_O, move_doc},
    {"restart", (PyCFunction)cells_restart, METH_VARARGS, restart_doc},
    {"__reduce__", (PyCFunction)cells_reduce, METH_NOARGS, reduce_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef number_facts[] = {
    {"value", (getter)number_value, NULL, "What it has counted, or was set to.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef histogram_facts[] = {
    {"count", (getter)histogram_count, NULL, "How many values it has.", NULL},
    {"sum", (getter)histogram_sum, NULL, "Of all values.", NULL},
    {"bucket_counts", (getter)histogram_bucket_counts, NULL, "Values by bucket.", NULL},
    {"least", (getter)histogram_extreme, NULL, "Of all values; None: there are none.", (void *)1},
    {"greatest", (getter)histogram_extreme, NULL, "Of all values; None: there are none.", (void *)2},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot number_slots[] = {
    {Py_tp_doc, "NumberCell(owner, memory, kind)\n\nThe value of one label set, in mapped cells."},
    {Py_tp_new, number_new},
    {Py_tp_dealloc, cells_dealloc},
    {Py_tp_traverse, cells_traverse},
    {Py_tp_methods, number_methods},
    {Py_tp_getset, number_facts},
    {0, NULL},
};

static PyType_Slot histogram_slots[] = {
    {Py_tp_doc, "HistogramCells(owner, memory, bounds)\n\nThe counts of one label set, likewise."},
    {Py_tp_new, histogram_new},
    {Py_tp_dealloc, cells_dealloc},
    {Py_tp_traverse, cells_traverse},
    {Py_tp_methods, histogram_methods},
    {Py_tp_getset, histogram_facts},
    {0, NULL},
};

PyType_Spec number_spec = {
    .name = "tradespan._native.NumberCell",
    .basicsize = sizeof(Cells),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = number_slots,
};

PyType_Spec histogram_spec = {
    .name = "tradespan._native.HistogramCells",
    .basicsize = sizeof(Cells),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = histogram_slots,
};
