"""All families by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragstone.errors import InvalidArgument
from ragstone.models.ae import AE, AEConfig, Denoising, DenoisingConfig
from ragstone.models.base import Config, GenerativeModel
from ragstone.models.bert import BERT, BERTConfig
from ragstone.models.classifier import Classifier, ClassifierConfig
from ragstone.models.clip import CLIP, CLIPConfig
from ragstone.models.cyclegan import CycleGAN, CycleGANConfig
from ragstone.models.dcgan import DCGAN, DCGANConfig
from ragstone.models.diffusion import Diffusion
from ragstone.models.diffusion_settings import DiffusionConfig
from ragstone.models.encdec import EncDec, EncDecConfig
from ragstone.models.gan import GAN, GANConfig
from ragstone.models.glow import Glow, GlowConfig
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.made import MADE, MADEConfig
from ragstone.models.maf import MAF, MAFConfig
from ragstone.models.pixelcnn import PixelCNN, PixelCNNConfig
from ragstone.models.realnvp import RealNVP, RealNVPConfig
from ragstone.models.recurrent import GRU, LSTM, GRUConfig, LSTMConfig
from ragstone.models.stylegan import StyleGAN, StyleGANConfig
from ragstone.models.vae import VAE, VAEConfig
from ragstone.models.vaegan import VAEGAN, VAEGANConfig
from ragstone.models.vqvae import VQVAE, VQVAEConfig
from ragstone.models.wavenet import WaveNet, WaveNetConfig
from ragstone.models.wgan_gp import WGANGP, WGANGPConfig


@dataclass(frozen=True, slots=True)
class Family:
    """A family's settings and its network."""

    config: type[Config]
    build: Callable[[Any], GenerativeModel]
    about: str
    material: str  # what it learns from, and makes: a name of `training.materials`
    recipe: Mapping[str, Any] = field(default_factory=dict)  # what its training differs in


WITHOUT_TEXT = frozenset({"images", "waves"})  # materials whose models make files
GOING_ON = frozenset({"text"})  # materials whose models write what follows the prompt
# What the training of networks of images differs in.
IMAGES = {"optimiser": "adamw", "batch": 64, "learning_rate": 1e-3, "weight_decay": 0.01}
# What the training of two players differs in: no memory of slopes that the other one has changed.
PLAYERS = {
    **IMAGES,
    "learning_rate": 1e-3,
    "beta1": 0.5,
    "beta2": 0.99,
    "clip": 0.0,
    "ema": 0.999,
    "steps": 5_000,
    "evaluate_every": 250,  # shows how coverage goes
}

FAMILIES = {
    "gpt": Family(
        GPTConfig, GPT, "Transformer that reads from left to right.", "text", {"ema": 0.99}
    ),
    "lstm": Family(LSTMConfig, LSTM, "Recurrent network with long short-term memory.", "text"),
    "gru": Family(GRUConfig, GRU, "Recurrent network of gated units.", "text"),
    "encdec": Family(
        EncDecConfig,
        EncDec,
        "Transformer that reads one text and writes another.",
        "pairs",
        {"batch": 64, "schedule": "wsd"},
    ),
    "ae": Family(AEConfig, AE, "Autoencoder.", "images", IMAGES),
    "denoising": Family(
        DenoisingConfig, Denoising, "Autoencoder that is shown spoilt images.", "images", IMAGES
    ),
    "vae": Family(VAEConfig, VAE, "Variational autoencoder.", "images", IMAGES),
    "vqvae": Family(
        VQVAEConfig, VQVAE, "Autoencoder whose latents are codes of a book.", "images", IMAGES
    ),
    "made": Family(MADEConfig, MADE, "Draws pixel after pixel by masked layers.", "images", IMAGES),
    "pixelcnn": Family(
        PixelCNNConfig, PixelCNN, "Draws pixel after pixel by convolutions.", "images", IMAGES
    ),
    "realnvp": Family(
        RealNVPConfig, RealNVP, "Couplings that turn images into noise, and back.", "images", IMAGES
    ),
    "glow": Family(
        GlowConfig, Glow, "Couplings of mixed channels, at several scales.", "images", IMAGES
    ),
    "maf": Family(
        MAFConfig,
        MAF,
        "Masked networks that turn images into noise, and back.",
        "images",
        {**IMAGES, "learning_rate": 3e-4},
    ),
    "diffusion": Family(
        DiffusionConfig,
        Diffusion,
        "Takes noise off until an image is left.",
        "images",
        {**IMAGES, "ema": 0.999},
    ),
    "classifier": Family(
        ClassifierConfig,
        Classifier,
        "Tells the label of an image; models of images are measured by it.",
        "images",
        {**IMAGES, "steps": 1_000, "learning_rate": 2e-3, "evaluate_every": 250},
    ),
    "clip": Family(
        CLIPConfig,
        CLIP,
        "Images and the texts about them in one space: words find images.",
        "images",
        {**IMAGES, "evaluate_every": 100},
    ),
    "gan": Family(GANConfig, GAN, "Two players of plain layers.", "images", PLAYERS),
    "dcgan": Family(DCGANConfig, DCGAN, "Two players of convolutions.", "images", PLAYERS),
    "wgan_gp": Family(
        WGANGPConfig,
        WGANGP,
        "Two players whose critic measures a distance.",
        "images",
        {**PLAYERS, "learning_rate": 5e-4, "beta1": 0.0, "beta2": 0.9},
    ),
    "vaegan": Family(
        VAEGANConfig, VAEGAN, "Autoencoder whose images pass for real.", "images", PLAYERS
    ),
    "stylegan": Family(
        StyleGANConfig,
        StyleGAN,
        "Two players, with a style for each layer.",
        "images",
        {**PLAYERS, "learning_rate": 2e-3, "beta1": 0.0},
    ),
    "cyclegan": Family(
        CycleGANConfig,
        CycleGAN,
        "Translates one kind of images to another, without pairs.",
        "images",
        {**PLAYERS, "batch": 16},
    ),
    "wavenet": Family(
        WaveNetConfig,
        WaveNet,
        "Dilated causal convolutions that speak, sample by sample.",
        "waves",
        {"steps": 3_000, "batch": 4},
    ),
    "bert": Family(
        BERTConfig,
        BERT,
        "Transformer that reads both ways, and fills gaps.",
        "gaps",
        {"batch": 16, "steps": 3_000},
    ),
}


def goes_on(name: str) -> bool:
    """Tell whether the models of a family write what follows a text."""
    return name in FAMILIES and FAMILIES[name].material in GOING_ON


def family(name: str) -> Family:
    """Return the family called `name`.

    Raises
    ------
    InvalidArgument
        There is none.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        expected = "one of " + ", ".join(FAMILIES)
        raise InvalidArgument("family", name, expected) from None
