"""The formats by name."""

from __future__ import annotations

from instar.importing.cyclegan import CUT, CYCLEGAN, GCGAN, cut, cyclegan, fastcut, gcgan
from instar.importing.imported import Format
from instar.importing.munit import munit, unit
from instar.importing.tunit import tunit
from instar.importing.ugatit import ugatit
from instar.importing.unet import BICYCLEGAN, PIX2PIX, bicyclegan, pix2pix

FORMATS = {
    "cyclegan": Format("junyanz/pytorch-CycleGAN-and-pix2pix", cyclegan, tuple(CYCLEGAN)),
    "pix2pix": Format("junyanz/pytorch-CycleGAN-and-pix2pix", pix2pix, PIX2PIX),
    "cut": Format("taesungp/contrastive-unpaired-translation", cut, tuple(CUT)),
    "fastcut": Format("taesungp/contrastive-unpaired-translation", fastcut, tuple(CUT)),
    "ugatit": Format("znxlwm/UGATIT-pytorch", ugatit),
    "munit": Format("NVlabs/MUNIT", munit),
    "unit": Format("mingyuliutw/UNIT", unit),
    "tunit": Format("clovaai/tunit", tunit),
    "bicyclegan": Format("junyanz/BicycleGAN", bicyclegan, ("G", *(one for one in BICYCLEGAN if one != "G"))),
    "gcgan": Format("hufu6371/GcGAN", gcgan, tuple(GCGAN)),
}
