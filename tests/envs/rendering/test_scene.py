import numpy as np
import pytest

from foveal.envs.rendering import lighting, meshes, shading, textures
from foveal.envs.rendering.export import triangles
from foveal.envs.rendering.lanes import TOP
from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rendering.scene import Material, SceneBuilder
from foveal.optics.camera import Camera
from foveal.optics.transforms import look, place

WHITE = Material("plain", (0.8, 0.8, 0.8))
CAMERA = Camera.from_vertical_fov(96, 96, np.radians(60))


def test_flat_pairs_of_triangles_are_one_face():
    def faces(*parts):
        builder = SceneBuilder()
        builder.add([(mesh, place(), WHITE) for mesh in parts], instance=0, semantic=0)
        scene = builder.build()
        return scene.objects[0, 3] - scene.objects[0, 2]

    assert faces(meshes.box((1, 2, 3))) == 6
    assert faces(meshes.cylinder(1, 1, 8)) == 8 + 2 * 3  # an octagon's six triangles make three
    assert faces(meshes.ellipsoid((1, 1, 1), 8, 6)) == 8 * 6  # triangles at the poles
    folded = meshes.quad(1, 1)
    folded.vertices[3, 2] = 0.1
    assert faces(folded) == 2
    torn = meshes.quad(1, 1)
    torn.uv[1] += 0.5
    assert faces(torn) == 2
    dart = meshes.quad(1, 1)
    dart.vertices[3] = -0.4, 0.1, 0  # no longer convex
    assert faces(dart) <= 2


def test_a_mirrored_part_keeps_its_outside(furnished):
    builder = SceneBuilder()
    builder.add([(meshes.box((1, 1, 1)), np.diag([-1.0, 1, 1, 1]), WHITE)], instance=0, semantic=0)
    scene = builder.build()
    outwards = scene.vertices.T[scene.corners[:, 0]]
    assert (np.einsum("fi,fi->f", scene.planes[:, :3], outwards) > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": []}, "has no parts"),
        ({"instance": -1}, "instance=-1 is out of range"),
        ({"semantic": 2**31}, "semantic=2147483648 is out of range"),
        ({"material": Material("velvet", (0, 0, 0))}, "part 0: texture 'velvet': must be 'plain' or one of wood"),
        ({"material": Material("wood", (0, 0, 1.5))}, "colour"),
        ({"material": Material("wood", (0, 0, 1), 0.0)}, "scale=0.0"),
        ({"pose": np.full((4, 4), np.nan)}, "must be finite"),
        ({"pose": np.eye(3)}, r"the pose \(4, 4\)"),
        ({"pose": np.diag([1.0, 1, 0, 1])}, "instance 1.*: has no face with an area"),
        ({"pose": place((1e6, 0, 0))}, "more than 100 km"),
    ],
)
def test_bad_objects_are_named(change, message):
    builder = SceneBuilder()
    part = meshes.quad(1, 1), change.pop("pose", place(0.0 * np.ones(3))), change.pop("material", WHITE)
    if message.startswith("instance 1"):
        part = meshes.quad(1, 1)._replace(vertices=np.zeros((4, 3))), place(), WHITE
    arguments = {"parts": [part], "instance": 1, "semantic": 0} | change
    with pytest.raises(ValueError, match=message):
        builder.add(arguments.pop("parts"), **arguments)


def test_bad_scenes():
    builder = SceneBuilder()
    with pytest.raises(ValueError, match="at least one object"):
        builder.build()
    with pytest.raises(ValueError, match="light at"):
        builder.light((0, 0, np.nan), (1, 1, 1), 1)
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    with pytest.raises(ValueError, match="room 0: its polygon"):
        builder.rooms([square[:2]], [])
    with pytest.raises(ValueError, match="rooms 0 and 1: there are 1"):
        builder.rooms([square], [(0, 1, np.zeros((4, 3)))])
    with pytest.raises(ValueError, match=r"corners must be \(4, 3\)"):
        builder.rooms([square, square], [(0, 1, np.zeros((3, 3)))])
    builder.add([(meshes.quad(1, 1), place(), WHITE)], instance=0, semantic=0, room=2)
    with pytest.raises(ValueError, match="stands in room 2: there are 0"):
        builder.build()
    with pytest.raises(ValueError, match="lightel_m=0"):
        SceneBuilder(0.0)


def test_exported_triangles(furnished):
    scene = furnished(0)
    mesh = triangles(scene)
    assert 4000 < len(mesh.faces) < 8000
    assert set(mesh.instance) == set(scene.objects[:, 6])
    seen = triangles(scene, CAMERA, look((0.5, 0.5, 1), -0.8, 0), 30.0)
    assert len(seen.faces) < len(mesh.faces)


def brightness(builder, pose):
    rgb = Renderer([builder.build()], CAMERA, ("rgb",)).render([0], pose[None])["rgb"][0]
    return rgb.astype(float).mean(-1)


def test_corners_are_darker_than_open_floor():
    builder = SceneBuilder()
    builder.add([(meshes.quad(6, 6), place(), WHITE)], instance=0, semantic=0)
    builder.add([(meshes.box((6, 0.1, 2.5)), place((0, 3, 1.25)), WHITE)], instance=1, semantic=0)
    image = brightness(builder, look((0, 0.5, 1.5), 0, -0.55))
    column = image[:, 48]
    seam = np.argmin(column[20:]) + 20
    assert column[seam] < 0.75 * column[-1] and column[seam] < 0.85 * column[5]


def test_a_table_shades_the_floor_from_a_lamp():
    def floor(with_table):
        builder = SceneBuilder()
        builder.add([(meshes.quad(6, 6), place(), WHITE)], instance=0, semantic=0)
        if with_table:
            builder.add([(meshes.box((1, 1, 0.05)), place((0, 0, 0.7)), WHITE)], instance=1, semantic=0)
        builder.light((0, 0, 2.5), (1, 1, 1), 4.0)
        return brightness(builder, look((0, -2.6, 0.5), 0, -0.2))

    lit, shaded = floor(False), floor(True)
    under = slice(46, 49), slice(40, 56)
    assert shaded[under].mean() < 0.8 * lit[under].mean()
    assert shaded[-1].mean() == pytest.approx(lit[-1].mean(), rel=0.05)  # near the camera


def test_lamps_colour_and_fall_off():
    builder = SceneBuilder()
    builder.ambient((0, 0, 0), (0, 0, 0))
    builder.add([(meshes.quad(8, 8), place(), WHITE)], instance=0, semantic=0)
    builder.light((0, 0, 1), (1.0, 0.5, 0.0), 1.0)
    down = look((0, 0, 6), 0, -np.pi / 2)
    rgb = Renderer([builder.build()], CAMERA, ("rgb",)).render([0], down[None])["rgb"][0].astype(int)
    middle, edge = rgb[48, 48], rgb[48, 5]
    assert middle[0] > middle[1] > middle[2] == 0
    assert edge[0] < 0.5 * middle[0]


def test_glow_needs_no_light():
    builder = SceneBuilder()
    builder.ambient((0, 0, 0), (0, 0, 0))
    for x, glow in ((-1, 0.0), (1, 1.0)):
        part = meshes.quad(1, 1), place((x, 0, 0)), Material("plain", (0.5, 0.5, 0.5), 1, glow)
        builder.add([part], instance=x + 1, semantic=0)
    rgb = Renderer([builder.build()], CAMERA, ("rgb",)).render([0], look((0, 0, 3), 0, -np.pi / 2)[None])["rgb"][0]
    half = CAMERA.fx / 3
    assert (rgb[48, round(CAMERA.cx - half)] == 0).all()
    np.testing.assert_allclose(rgb[48, round(CAMERA.cx + half)], 128, atol=2)


@pytest.mark.parametrize("name", textures.NAMES)
def test_textures_tile_and_keep_the_colour(name):
    picture = textures.texture(name)
    assert picture.shape == (256, 256, 3) and picture.min() >= 0
    assert picture.mean() == pytest.approx(1)
    atlas = textures.atlas()
    own = atlas[textures.NAMES.index(name) * textures.TEXELS :][: textures.TEXELS]
    red = (own & TOP) / textures.ONE
    assert red[0] == pytest.approx(picture[..., 0].mean(), abs=0.02)  # the coarsest level, one texel
    np.testing.assert_allclose(
        red[-(256**2) :].reshape(256, 256), np.minimum(picture[..., 0], TOP / textures.ONE), atol=2e-4
    )
    finest = np.abs(np.diff(picture, axis=1)).mean()
    seam = np.abs(picture[:, 0] - picture[:, -1]).mean()
    if name not in ("books", "checker", "stripes", "tile", "brick", "planks", "parquet", "shop front"):
        assert seam < 1.5 * finest


def test_kernels_have_the_atlas_layout():
    """Kernels have it as numbers of their own, so that their cache sees a change."""
    assert shading._COARSEST == textures.LEVELS - 1
    starts = np.cumsum([0, *(4**level for level in range(textures.LEVELS))])
    for level, start in enumerate(starts[:-1]):
        assert shading._STARTS & (4**level - 1) == start
    assert starts[-1] == textures.TEXELS and 2**shading._COARSEST == textures.SIZE
    assert 2 ** int(shading._ONE_BITS) == textures.ONE == lighting.ONE


def test_a_texture_is_where_its_coordinates_say():
    """The stripes of a wall seen straight on, eight to the tile of 2 m."""
    builder = SceneBuilder()
    builder.add(
        [(meshes.quad(4, 4), place((0, 0, 0)), Material("stripes", (0.5, 0.5, 0.5), 2.0))], instance=0, semantic=0
    )
    camera = Camera.from_vertical_fov(256, 256, 2 * np.arctan(0.5))
    rgb = Renderer([builder.build()], camera, ("rgb",)).render([0], look((0, 0, 4), 0, -np.pi / 2)[None])["rgb"][0]
    row = rgb[..., 0].astype(float).mean(0)
    changes = np.flatnonzero(np.abs(np.diff(row)) > 8)
    assert len(np.unique(np.round(changes / 8))) == 31  # a band is 0.125 m, 8 pixels
    assert row[2:6].mean() > row[10:14].mean()  # the lighter band comes first


def test_far_floors_do_not_shimmer():
    """A step of a centimetre changes the far floor little, since it is read from coarse levels."""
    builder = SceneBuilder()
    builder.add([(meshes.quad(60, 60), place(), Material("checker", (0.5, 0.5, 0.5), 0.4))], instance=0, semantic=0)
    poses = look([(0, 0, 0.9), (0.01, 0.013, 0.9)], 0, -0.1)
    first, second = Renderer([builder.build()], CAMERA, ("rgb",)).render([0, 0], poses)["rgb"].astype(float)
    far = slice(44, 52)
    assert np.abs(first[far] - second[far]).mean() < 2
    assert first[far].std() < 6
    assert first[80:].std() > 15
