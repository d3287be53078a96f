"""The bands of MinHash signatures as catalog rows: new items meet all stored ones in one join.

A row holds all bands of an item. On 1,000,000 items of 21 bands this was measured against a row for
each band and a column for each band: it is filled in a third of the time of the one and takes 4 %
less space than the other, and is probed as fast as the faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

CREATE_TABLE = """
CREATE TABLE minhash_bands (
    dataset_id  VARCHAR NOT NULL,
    algorithm   VARCHAR NOT NULL,          -- bands of another one are never compared
    item_key    BIGINT NOT NULL,
    set_digest  BIGINT NOT NULL,           -- items with the same one have the same bands
    bands       BIGINT[] NOT NULL          -- keys, different in each band
);
"""

# Where more sets than this share a band, a text is a filled-in form: all are compared with the
# first 64, in the order of their digests, so that n forms cost 64 n and not n^2 / 2 comparisons.
BUCKET = 64

# Sets meet in bands; items are named by the least key of those that hold the set.
_CANDIDATES = """
WITH fresh AS (SELECT set_digest, min(item_key) AS item_key FROM incoming GROUP BY set_digest),
wanted AS (
    SELECT set_digest, unnest(any_value(bands)) AS band FROM incoming GROUP BY set_digest
),
stored AS (
    SELECT item_key, set_digest, unnest(bands) AS band
    FROM minhash_bands WHERE dataset_id = $dataset_id AND algorithm = $algorithm
),
met AS (
    SELECT band, set_digest, min(item_key) AS item_key
    FROM stored SEMI JOIN wanted USING (band) {living}
    GROUP BY band, set_digest
),
known AS (SELECT set_digest, min(item_key) AS item_key FROM met GROUP BY set_digest),
unknown AS (FROM fresh ANTI JOIN known USING (set_digest)),
unknown_bands AS (SELECT band, set_digest FROM wanted SEMI JOIN unknown USING (set_digest)),
pool AS (
    SELECT band, set_digest FROM (SELECT band, set_digest FROM met UNION FROM unknown_bands)
    QUALIFY row_number() OVER (PARTITION BY band ORDER BY set_digest) <= $bucket
),
near AS (
    SELECT DISTINCT least(u.set_digest, p.set_digest) AS one,
                    greatest(u.set_digest, p.set_digest) AS other
    FROM unknown_bands u JOIN pool p USING (band) WHERE u.set_digest != p.set_digest
),
named AS (FROM known UNION ALL FROM unknown)
SELECT a.item_key AS one, b.item_key AS other
FROM near JOIN named a ON a.set_digest = near.one JOIN named b ON b.set_digest = near.other
UNION ALL
SELECT named.item_key, incoming.item_key
FROM incoming JOIN named USING (set_digest) WHERE named.item_key != incoming.item_key
"""
_LIVING = "SEMI JOIN living USING (item_key)"


@dataclass(frozen=True, slots=True)
class BandTable:
    """The bands of one dataset by one algorithm, seen through a cursor of the catalog."""

    cursor: duckdb.DuckDBPyConnection
    dataset_id: str
    algorithm: str

    def add(
        self, keys: NDArray[np.int64], digests: NDArray[np.uint64], bands: NDArray[np.uint64]
    ) -> None:
        """Add items.

        Parameters
        ----------
        keys
            Shape (n,), of items that are not there yet.
        digests
            Shape (n,), equal for equal sets.
        bands
            Shape (n, number of bands).
        """
        self._register(keys, digests, bands)
        self.cursor.execute(
            "INSERT INTO minhash_bands SELECT ?, ?, item_key, set_digest, bands FROM incoming",
            [self.dataset_id, self.algorithm],
        )
        self.cursor.unregister("incoming")

    def remove(self, keys: NDArray[np.int64]) -> None:
        """Take out the items with these keys, as far as they are there."""
        self.cursor.register("gone", pa.table({"item_key": keys}))
        self.cursor.execute(
            "DELETE FROM minhash_bands WHERE dataset_id = ? AND algorithm = ? "
            "AND item_key IN (FROM gone)",
            [self.dataset_id, self.algorithm],
        )
        self.cursor.unregister("gone")

    def candidates(
        self,
        keys: NDArray[np.int64],
        digests: NDArray[np.uint64],
        bands: NDArray[np.uint64],
        living: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Return which of these items may be duplicates, of each other or of stored ones.

        Items with equal sets are linked in a star to the one with the least key; of two sets that
        share a band only those items are named. A set that is stored already has met the others
        before, so an item that holds it is linked to its holder alone.

        Parameters
        ----------
        keys, digests, bands
            As `add` takes them; the items are not stored yet.
        living
            Keys of the stored items that count; None stands for all.

        Returns
        -------
        Pairs of keys, int64 of shape (m, 2), the smaller first, each once, ascending.
        """
        self._register(keys, digests, bands)
        if living is not None:
            self.cursor.register("living", pa.table({"item_key": living}))
        values = {"dataset_id": self.dataset_id, "algorithm": self.algorithm, "bucket": BUCKET}
        sql = _CANDIDATES.format(living="" if living is None else _LIVING)
        found = self.cursor.execute(sql, values).fetchnumpy()
        for name in ("incoming",) if living is None else ("incoming", "living"):
            self.cursor.unregister(name)
        pairs = np.stack([found["one"], found["other"]], axis=1).astype(np.int64)
        pairs.sort(axis=1)
        ordered: NDArray[np.int64] = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        return ordered

    def _register(
        self, keys: NDArray[np.int64], digests: NDArray[np.uint64], bands: NDArray[np.uint64]
    ) -> None:
        # Their bits as signed numbers: DuckDB pushes bounds of a join down into an Arrow table as
        # Python integers, and Arrow refuses those of 2^63 and more.
        lists = pa.FixedSizeListArray.from_arrays(_signed(bands.ravel()), bands.shape[1])
        columns = {"item_key": keys, "set_digest": _signed(digests), "bands": lists}
        self.cursor.register("incoming", pa.table(columns))


def _signed(numbers: NDArray[np.uint64]) -> pa.Array:
    return pa.array(np.ascontiguousarray(numbers).view(np.int64))
