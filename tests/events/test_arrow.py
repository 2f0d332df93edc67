"""The Arrow C stream: what consumers make of it, who frees it, and that nothing of it stays."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_use import growth
from logged import load_of, made, play

from vnic._core import ffi, lib
from vnic.events import table as table_
from vnic.events.kinds import NEVER


@pytest.fixture(scope="module")
def events():
    events = play(load_of(3))
    assert len(events.frames) > 1000  # the table is made once, and stays
    return events


@pytest.fixture
def nothing_stays():
    """What the test takes from streams is released when it ends."""
    gc.collect()
    before = lib.arrow_alive(), lib.shared_alive()
    yield
    gc.collect()
    assert (lib.arrow_alive(), lib.shared_alive()) == before


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(table_, "BATCH", 64)


def as_dicts(rows):
    """Rows as a consumer should see them: none is None, also of a flow that is none."""
    plain = []
    for row in rows:
        of = row._asdict()
        if "flow" in of:
            of["flow"] = of["flow"] or None
        plain.append(of)
    return plain


def in_order(dicts, names):
    return [{name: of[name] for name in names} for of in dicts]


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("batch", [64, 128, 1 << 18])
def test_pyarrow_has_each_value(events, monkeypatch, batch):
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    monkeypatch.setattr(table_, "BATCH", batch)
    for rows in (events, events.frames):
        got = pa.table(rows)
        got.validate(full=True)
        assert in_order(got.to_pylist(), sorted(got.schema.names)) == in_order(as_dicts(rows), sorted(rows[0]._fields))
        assert got.column(0).num_chunks == -(-len(rows) // batch)


@pytest.mark.usefixtures("nothing_stays", "small_batches")
def test_polars_has_each_value(events):
    pl = pytest.importorskip("polars", reason="pip install polars")
    got = pl.DataFrame(events.frames)
    assert in_order(got.to_dicts(), got.columns) == in_order(as_dicts(events.frames), got.columns)
    waited = got.select((pl.col("t_wire") - pl.col("t_read")).max())  # negative: no unsigned wrap
    assert waited.item() == max(f.t_wire - f.t_read for f in events.frames if f.t_read)


@pytest.mark.usefixtures("small_batches")
def test_pandas_has_each_value(events):
    pd = pytest.importorskip("pandas", minversion="3", reason="pip install 'pandas>=3'")
    got = pd.DataFrame.from_arrow(events.frames)
    back = [{k: None if pd.isna(v) else v for k, v in of.items()} for of in got.to_dict("records")]
    assert in_order(back, got.columns) == in_order(as_dicts(events.frames), got.columns)
    assert got.groupby("fate", observed=True).size().to_dict() == {
        fate: sum(f.fate == fate for f in events.frames) for fate in {f.fate for f in events.frames}
    }


@pytest.mark.usefixtures("small_batches")
def test_duckdb_counts_and_subtracts(events):
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    frames = events.frames
    with duckdb.connect() as db:
        db.register("frames", frames)
        got = dict(db.sql("select fate, count(*) from frames group by fate").fetchall())
        ((waited,),) = db.sql("select sum(t_read - t_wire) from frames").fetchall()
    assert got == {fate: sum(f.fate == fate for f in frames) for fate in got}
    assert sum(got.values()) == len(frames)
    assert waited == sum(f.t_read - f.t_wire for f in frames if f.t_read)


def test_numpy_needs_no_stream(events):
    np = pytest.importorskip("numpy", reason="pip install numpy")
    got = np.asarray(events.frames)
    assert len(got) == len(events.frames)
    assert got["id"].tolist() == [f.id for f in events.frames]
    assert [None if t == NEVER else t for t in got["t_read"].tolist()] == [f.t_read for f in events.frames]
    with pytest.raises(ValueError, match="read-only"):
        got["id"] = 0


@pytest.mark.usefixtures("nothing_stays")
def test_the_schema_says_what_is_missing_and_which_version(events):
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    said = pa.table(made({"kind": "irq"}, missed=12)).schema.metadata
    assert said[b"vnic.missed"] == b"12"
    assert said[b"vnic.table"] == b"events"
    assert pa.table(events.frames).schema.metadata[b"vnic.table"] == b"frames"
    types = {f.name: (str(f.type), f.nullable) for f in pa.table(events.frames).schema}
    assert types["t_read"] == ("int64", True)
    assert types["id"] == ("int64", False)
    assert types["fate"] == ("dictionary<values=string, indices=int8, ordered=0>", True)


@pytest.mark.usefixtures("nothing_stays")
def test_a_table_without_rows_has_its_columns():
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    for rows in (made(), made().frames):
        got = pa.table(rows)
        assert (got.num_rows, got.schema.names) == (0, [c.name for c in rows.columns])


@pytest.mark.usefixtures("nothing_stays", "small_batches")
def test_a_stream_can_be_left_at_any_point(events):
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    capsule = events.__arrow_c_stream__()  # and drop it
    assert "arrow_array_stream" in repr(capsule)
    del capsule
    reader = pa.RecordBatchReader.from_stream(events)
    first = reader.read_next_batch()
    second = reader.read_next_batch()
    reader.close()
    assert first.slice(1).to_pylist() + second.to_pylist() == pa.table(events).slice(1, 127).to_pylist()


@pytest.mark.usefixtures("nothing_stays")
def test_a_capsule_is_taken_once_and_rows_any_number_of_times(events):
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")

    class Once:
        capsule = events.__arrow_c_stream__(None)

        def __arrow_c_stream__(self, requested_schema=None):
            return self.capsule

    once = Once()
    Once.capsule, capsule = None, Once.capsule
    once.capsule = capsule
    del capsule
    whole = pa.table(once)
    with pytest.raises(pa.ArrowInvalid, match="released"):
        pa.table(once)
    assert pa.table(events).equals(whole)
    assert pa.table(events).equals(whole)


@pytest.mark.usefixtures("nothing_stays", "small_batches")
def test_a_batch_outlives_the_rows_the_stream_and_the_capsule():
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    events = play(load_of(3))
    want = as_dicts(events.frames)
    batches = list(pa.RecordBatchReader.from_stream(events.frames))
    del events
    gc.collect()
    got = [row for batch in batches for row in batch.to_pylist()]
    assert in_order(got, sorted(want[0])) == in_order(want, sorted(want[0]))


@pytest.mark.usefixtures("nothing_stays")
def test_columns_of_a_batch_are_freed_one_by_one():
    """A consumer may move a child out of its parent, and free the parent first."""
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    table = pa.table(made(*({"frame": n, "kind": "wire", "t_ns": n} for n in range(100))))
    kind, times = table["kind"], table["t_ns"]
    del table
    gc.collect()
    assert kind.to_pylist() == ["wire"] * 100
    del kind
    assert times.to_pylist() == list(range(100))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from((0, 65535))), max_size=200))
def test_nulls_are_where_there_is_no_cpu(rows):
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    events = made(*({"kind": "irq", "cpu": c, "queue": q} for c, q in rows))
    got = pa.table(events)
    got.validate(full=True)
    assert got["queue"].null_count == sum(q == 65535 for _, q in rows)
    assert got["cpu"].to_pylist() == [c for c, _ in rows]
    assert got["queue"].to_pylist() == [None if q == 65535 else q for _, q in rows]


def test_each_array_gives_all_its_memory_back(events):
    array, table = ffi.new("struct arrow_array *"), table_.Table(events.frames)

    def once():
        stream = lib.arrow_stream_new(table.c)
        assert stream.get_next(stream, array) == 0
        assert array.length == len(events.frames)
        array.release(array)
        lib.arrow_stream_free(stream)

    assert growth(once, 50) < 400  # of a table of several columns; Python keeps some bytes
