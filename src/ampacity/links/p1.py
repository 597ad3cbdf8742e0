"""Customer ports (P1) of electricity meters, on a serial line or through an adapter on the network. dsmr-parser knows
the telegrams; serialx opens the line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from dsmr_parser import telegram_specifications
from dsmr_parser.clients.telegram_buffer import EncryptedTelegramBuffer, TelegramBuffer
from dsmr_parser.exceptions import DecryptionError, InvalidChecksumError, ParseError
from dsmr_parser.objects import CosemObject
from dsmr_parser.parsers import TelegramParser
from serialx import SerialException, open_serial_connection

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.p1_family import P1Family, P1Serial, Told
from ampacity.links.modbus import MeterSilent
from ampacity.links.stream import Garbled
from ampacity.links.tally import Tally

LARGEST_TELEGRAM = 16_384
"""Bytes. What is longer, with no end in it, is something else."""
CONNECT_S = 10.0
CHUNK = 2048

_PHASES = ("L1", "L2", "L3")
_CODES = {
    "CURRENT_ELECTRICITY_USAGE": "1-0:1.7.0",
    "CURRENT_ELECTRICITY_DELIVERY": "1-0:2.7.0",
    "ELECTRICITY_IMPORTED_TOTAL": "1-0:1.8.0",
    "ELECTRICITY_USED_TARIFF_1": "1-0:1.8.1",
    "ELECTRICITY_USED_TARIFF_2": "1-0:1.8.2",
    "EQUIPMENT_IDENTIFIER": "0-0:96.1.1",
    "BELGIUM_EQUIPMENT_IDENTIFIER": "0-0:96.1.1",
    "LUXEMBOURG_EQUIPMENT_IDENTIFIER": "0-0:42.0.0",
    **{
        name.format(phase): code
        for number, phase in enumerate(_PHASES)
        for name, code in {
            "INSTANTANEOUS_VOLTAGE_{}": f"1-0:{32 + 20 * number}.7.0",
            "INSTANTANEOUS_CURRENT_{}": f"1-0:{31 + 20 * number}.7.0",
            "INSTANTANEOUS_ACTIVE_POWER_{}_POSITIVE": f"1-0:{21 + 20 * number}.7.0",
            "INSTANTANEOUS_ACTIVE_POWER_{}_NEGATIVE": f"1-0:{22 + 20 * number}.7.0",
            "INSTANTANEOUS_REACTIVE_POWER_{}_POSITIVE": f"1-0:{23 + 20 * number}.7.0",
            "INSTANTANEOUS_REACTIVE_POWER_{}_NEGATIVE": f"1-0:{24 + 20 * number}.7.0",
        }.items()
    },
}
"""dsmr-parser's names of what is used here."""
_THOUSANDS = ("kW", "kWh", "kvar", "kvarh")


@dataclass(frozen=True, slots=True)
class P1Port:
    """Where the telegrams come from. Either `path` or `host` is set."""

    path: str | None
    host: str | None
    port: int
    serial: P1Serial


class P1Stream:
    """Telegrams, as text; of a meter that encrypts, in hexadecimal digits."""

    def __init__(self, place: P1Port, *, encrypted: bool) -> None:
        self._place = place
        self._encrypted = encrypted
        self.connected = False

    async def messages(self, tally: Tally) -> AsyncGenerator[str, None]:
        reader, writer = await self._opened()
        tally.connections += 1
        self.connected = True
        try:
            buffer, pending = self._buffer(), 0
            while chunk := await reader.read(CHUNK):
                tally.took_in(len(chunk), time.monotonic())
                pending += len(chunk)
                # A byte that is no ASCII is a disturbed one: the check sum tells.
                buffer.append(chunk if self._encrypted else chunk.decode("ascii", "replace"))
                for telegram in list(buffer.get_all()):
                    pending = 0
                    yield telegram
                if pending > LARGEST_TELEGRAM:
                    buffer, pending = self._buffer(), 0
                    yield ""
        except (OSError, SerialException) as error:
            raise MeterSilent(f"The connection was lost ({error}).") from error
        finally:
            self.connected = False
            writer.close()

    def _buffer(self) -> TelegramBuffer | EncryptedTelegramBuffer:
        return EncryptedTelegramBuffer() if self._encrypted else TelegramBuffer()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place, serial = self._place, self._place.serial
        try:
            async with asyncio.timeout(CONNECT_S):
                if place.host is not None:
                    return await asyncio.open_connection(place.host, place.port)
                return await open_serial_connection(
                    url=place.path,
                    baudrate=serial.baud,
                    byte_size=serial.bits,
                    parity=serial.parity,
                    stopbits=serial.stop_bits,
                )
        except (OSError, SerialException, TimeoutError, ValueError) as error:
            what = f"{place.host}:{place.port}" if place.host is not None else str(place.path)
            raise MeterSilent(
                f"{what} can't be opened ({error or 'no answer'}).",
                remedy="Check the cable or the address, that this user may open it, and that no other program has it.",
            ) from error


class P1Decoder:
    """Telegrams as readings. Parsing one takes a millisecond."""

    def __init__(self, meter: MeterId, family: P1Family, *, key: str, lines: int, nominal_v: Sequence[float]) -> None:
        """`key`: of a meter that encrypts, 32 hexadecimal digits."""
        self._meter = meter
        self._family = family
        self._key = key
        self._lines = lines
        self._nominal_v = nominal_v
        specification = getattr(telegram_specifications, family.specification)
        if family.encrypted:
            specification = {**specification, "general_global_cipher": True}
        self._parser = TelegramParser(specification)

    def __call__(self, telegram: str, at_s: float) -> MeterReading:
        """
        Raises:
            Garbled: it is no whole telegram.
            FrameAbsurd: what it says can't be what flows, or is not enough.
        """
        return self._family.reading(self._meter, self.told(telegram), at_s, self._lines, self._nominal_v)

    def told(self, telegram: str) -> Told:
        """What it says.

        Raises:
            Garbled
        """
        if not telegram:
            raise Garbled("Something comes that is no telegram.")
        try:
            parsed = (
                self._parser.parse(telegram, encryption_key=self._key, authentication_key=None)
                if self._family.encrypted
                else self._parser.parse(telegram)
            )
        except InvalidChecksumError as error:
            raise Garbled("The check sum of a telegram is wrong.") from error
        except DecryptionError as error:
            raise Garbled(
                "A telegram can't be decrypted.", remedy="Check the key, which the grid's operator gives."
            ) from error
        except (ParseError, ValueError, IndexError, TypeError, AttributeError, RuntimeError) as error:
            raise Garbled(f"A telegram can't be read ({type(error).__name__}).") from error
        return _told(parsed)


def _told(parsed: object) -> Told:
    found: dict[str, float | str] = {}
    for name, code in _CODES.items():
        one = getattr(parsed, name, None)
        if not isinstance(one, CosemObject) or one.value is None:
            continue
        if code.startswith("0-0"):
            found.setdefault(code, str(one.value))
        else:
            found[code] = float(one.value) * (1000.0 if one.unit in _THOUSANDS else 1.0)
    return found
