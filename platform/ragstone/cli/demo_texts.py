"""What the files of the demonstration say."""

from __future__ import annotations

GRANITE = """Granite

Granite is an igneous rock that cooled slowly deep in the crust, so its grains of quartz, feldspar
and mica can be seen with the naked eye.

A sound granite takes up less than half a per cent of its weight in water. Because so little water
gets in, granite resists frost better than any other common building stone, and it is the first
choice for kerbs, plinths and bridge piers.

Granite is hard to work. It is split with wedges along the rift, and polished with abrasives.
"""

GRANITE_MORE = """
Granite does not like fire. Quartz swells suddenly at 573 degrees Celsius, and the face of the stone
spalls off in shells.
"""

LIMESTONE = """# Limestone

Limestone is a sedimentary rock made mostly of calcite, much of it from shells and lime mud.

## Working

Freshly quarried limestone holds quarry sap. It is soft enough to be sawn and carved, and hardens as
it dries, so masons carve it soon after it leaves the quarry.

## Decay

Acid rain dissolves limestone. In towns its surface turns to gypsum, which traps soot and forms a
black crust; when the crust breaks away it takes stone with it. Washing by rain keeps exposed
surfaces white, while sheltered ones turn black.
"""

MARBLE = """<!doctype html>
<html lang="en"><head><title>Marble</title></head><body>
<nav><a href="/">Home</a> <a href="/stones">All stones</a></nav>
<article><h1>Marble</h1>
<p>Marble is limestone that heat and pressure have recrystallised. Its interlocking grains of
calcite let light in for a few millimetres, which gives a polished statue its soft glow.</p>
<h2>Bowing of thin panels</h2>
<p>Thin marble panels on the outside of a building can bow. Heating and cooling loosen the grain
boundaries, because calcite expands in one direction and shrinks in the other. Panels of three
centimetres have had to be taken down after less than twenty years.</p>
</article><footer>Printed from the stone library</footer></body></html>
"""

FROST_TEST = (
    (
        "How frost resistance is tested",
        "",
        "A stone cracks in winter when water freezes inside its pores: ice needs nine per cent",
        "more room than water. Stones with very fine pores suffer most, because they stay full.",
        "",
        "In the freeze-thaw test, cubes are soaked in water, frozen in air to minus 12 degrees",
        "Celsius, and thawed in water again. One cycle takes about a day.",
    ),
    (
        "Reading the result",
        "",
        "After 56 cycles the cubes are weighed and crushed. A stone passes when it has lost less",
        "than one per cent of its volume and no more than a fifth of its strength.",
        "",
        "A test on dry cubes says nothing: without water there is no damage.",
    ),
)

SANDSTONE = (
    (
        "Sandstone and its bedding",
        "Sandstone is laid down in beds, and a mason should set each block on its natural bed, "
        "with the layers lying flat as they did in the quarry. A face-bedded block, with its "
        "layers upright and parallel to the wall, peels off layer by layer.",
    ),
    (
        "The cement between the grains",
        "What holds the sand together decides how a sandstone ages. A cement of silica is durable; "
        "one of calcite dissolves in acid rain; clay swells when it is wet and crumbles.",
    ),
)

QUARRYING = (
    (
        "Quarrying with the diamond wire",
        "A steel cable with diamond beads is pulled in a loop through two drilled holes. Water "
        "cools the wire and carries the dust away. The cut is about a centimetre wide.",
    ),
    (
        "Why not explosives?",
        "Blasting opens fine cracks far into the rock. Blocks for masonry are therefore sawn or "
        "split; explosives are left to those who need gravel.",
    ),
)

STRENGTH = (
    ("stone", "compressive strength in MPa", "water absorption in per cent"),
    ("granite", 180, 0.3),
    ("slate", 150, 0.4),
    ("marble", 110, 0.2),
    ("limestone", 60, 5.0),
    ("sandstone", 70, 6.0),
    ("tuff", 15, 20.0),
)

EPUB_CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>
"""

EPUB_PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">mortar</dc:identifier>
<dc:title>A Small Book of Mortar</dc:title><dc:language>en</dc:language></metadata>
<manifest><item id="one" href="mortar.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="one"/></spine></package>
"""

EPUB_CHAPTER = """<?xml version="1.0"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Lime and cement</title></head><body>
<h1>Lime and cement</h1>
<p>Mortar should be weaker than the stone it joins. Lime mortar lets a wall breathe: moisture leaves
through the joints, and the joints, which are cheap to renew, take the damage.</p>
<p>Hard cement mortar in an old wall does the opposite. It keeps the water in the stone, and the
stone decays around joints that stand out like ribs.</p>
</body></html>
"""

SLATE = """Dear colleague,

the slates themselves are sound: tap one and it rings. What has failed is the nails. They are plain
iron, and rust has eaten most of them through, so slates slip in every storm. We suggest taking the
roof off, sorting the slates, and hanging them again with copper nails.

A good slate roof lasts a hundred years and more; its nails should last as long.
"""

CATHEDRALS = """building,town,stone,begun
Salisbury Cathedral,Salisbury,Chilmark limestone,1220
Cologne Cathedral,Cologne,Drachenfels trachyte,1248
Strasbourg Cathedral,Strasbourg,Vosges sandstone,1176
Milan Cathedral,Milan,Candoglia marble,1386
Santiago Cathedral,Santiago de Compostela,granite,1075
"""

NOTES = (
    {
        "_id": "n1",
        "title": "Lichen",
        "text": "Lichen harms sandstone little; scraping it off does.",
    },
    {"_id": "n2", "title": "Cleaning", "text": "Never clean limestone with acid; use water mist."},
    {"_id": "n3", "title": "Tuff", "text": "Tuff is volcanic ash turned to stone: light and warm."},
)
