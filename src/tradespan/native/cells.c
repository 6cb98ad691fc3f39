/* `DurationCells`: adding is one step for other threads, because nothing here lets go of the GIL. */

#include "native.h"

int
view_cells(PyObject *cells, Py_buffer *view)
{
    if (PyObject_GetBuffer(cells, view, PyBUF_WRITABLE | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) < 0)
        return -1;
    if (view->itemsize == 8 && ((uintptr_t)view->buf & 7) == 0 && view->len > 0)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "cells are aligned numbers of 8 bytes");
    return -1;
}

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    int64_t *cells; /* [count + 1 buckets][sum][errors][good] */
    int64_t *bounds;
    Py_ssize_t count; /* of bounds */
} Durations;

static int
read_bounds(Durations *self, PyObject *bounds)
{
    self->count = PyTuple_GET_SIZE(bounds);
    self->bounds = PyMem_Calloc((size_t)self->count + 1, sizeof(int64_t));
    if (self->bounds == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t place = 0; place < self->count; place++) {
        int64_t bound = PyLong_AsLongLong(PyTuple_GET_ITEM(bounds, place));
        if (bound == -1 && PyErr_Occurred())
            return -1;
        if (place && bound <= self->bounds[place - 1]) {
            PyErr_SetString(PyExc_ValueError, "bounds have to rise");
            return -1;
        }
        self->bounds[place] = bound;
    }
    return 0;
}

static PyObject *
durations_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"buffer", "bounds", NULL};
    PyObject *buffer, *bounds;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!", names, &buffer, &PyTuple_Type, &bounds))
        return NULL;
    Durations *self = (Durations *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    if (read_bounds(self, bounds) < 0 || view_cells(buffer, &self->view) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (self->view.len != (self->count + 4) * 8) {
        PyErr_Format(PyExc_ValueError, "%zd bounds take %zd cells, not %zd", self->count,
                     self->count + 4, self->view.len / 8);
        Py_DECREF(self);
        return NULL;
    }
    self->cells = self->view.buf;
    return (PyObject *)self;
}

static void
count_duration(Durations *self, int64_t duration)
{
    /* The first bound that is not under the value; most calls are short, so from the left. */
    Py_ssize_t place = 0;
    while (place < self->count && self->bounds[place] < duration)
        place++;
    self->cells[place] += 1;
    int64_t *sum = self->cells + self->count + 1;
    *sum = (int64_t)((uint64_t)*sum + (uint64_t)duration);
}

void
count_in_cells(PyObject *cells, int64_t duration)
{
    count_duration((Durations *)cells, duration);
}

void
count_error_in_cells(PyObject *cells)
{
    Durations *self = (Durations *)cells;
    self->cells[self->count + 2] += 1;
}

PyDoc_STRVAR(durations_record_doc, "record(duration_ns)\n\nCount one call; a negative one took 0.");

static PyObject *
durations_record(Durations *self, PyObject *value)
{
    int64_t duration = PyLong_AsLongLong(value);
    if (duration == -1 && PyErr_Occurred())
        return NULL;
    count_duration(self, duration > 0 ? duration : 0);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(durations_finish_doc,
             "finish(began_ns) -> int\n\nCount a call that ends now; its duration in ns, 0 or more. "
             "`began_ns` is a reading of `time.monotonic_ns`.");

static PyObject *
durations_finish(Durations *self, PyObject *began)
{
    int64_t start = PyLong_AsLongLong(began);
    if (start == -1 && PyErr_Occurred())
        return NULL;
    int64_t end = monotonic_now();
    int64_t duration = end > start ? end - start : 0;
    count_duration(self, duration);
    return PyLong_FromLongLong(duration);
}

PyDoc_STRVAR(durations_fail_doc, "fail()\n\nCount an error.");

static PyObject *
durations_fail(Durations *self, PyObject *Py_UNUSED(none))
{
    self->cells[self->count + 2] += 1;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(durations_good_doc, "good()\n\nCount a call that met its objective.");

static PyObject *
durations_good(Durations *self, PyObject *Py_UNUSED(none))
{
    self->cells[self->count + 3] += 1;
    Py_RETURN_NONE;
}

static int
durations_traverse(Durations *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
durations_dealloc(Durations *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyBuffer_Release(&self->view);
    PyMem_Free(self->bounds);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef durations_methods[] = {
    {"record", (PyCFunction)durations_record, METH_O, durations_record_doc},
    {"finish", (PyCFunction)durations_finish, METH_O, durations_finish_doc},
    {"fail", (PyCFunction)durations_fail, METH_NOARGS, durations_fail_doc},
    {"good", (PyCFunction)durations_good, METH_NOARGS, durations_good_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot durations_slots[] = {
    {Py_tp_doc, "DurationCells(buffer, bounds)\n\nCounts of one function's calls, in mapped cells."},
    {Py_tp_new, durations_new},
    {Py_tp_dealloc, durations_dealloc},
    {Py_tp_traverse, durations_traverse},
    {Py_tp_methods, durations_methods},
    {0, NULL},
};

PyType_Spec durations_spec = {
    .name = "tradespan._native.DurationCells",
    .basicsize = sizeof(Durations),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = durations_slots,
};
