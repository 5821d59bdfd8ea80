"""Every error that a user can cause, as one tree.

    EdgeLlasmError
     |- AudioError            a recording that cannot be read
     |   `- NoSpeech          nothing was said (exit status 3)
     |- BundleError           a model folder that is missing, incomplete, altered, or whose parts do not fit
     |   `- UnknownModel      a name that no bundle has; the message lists the known ones
     |- DownloadError         a model that cannot be fetched: refused, cut off or altered
     |- SoundError            a microphone or loudspeaker that is missing or stopped working
     |- VoiceError            no voice to read aloud with, or one that fails
     |- DesktopError          the keyboard, the clipboard or the windows cannot be reached, or refuse
     |- ChatsError            the kept chats cannot be read or written, or a chat is not among them
     |- ConfigError           the configuration file cannot be read, or holds what nobody knows
     |- ServeError            the server cannot be started as it was asked to
     |- NoRoom                a disk without room for what is to be written
     |- GrammarError          a form that an answer was to have and that cannot be written as a grammar
     |- EngineError           a native library that is missing, of an unsupported version, or failing
     |   `- DeviceError       a device that no installed build supports
     |- PromptTooLong         the newest question does not fit the context
     `- Busy                  a second caller was refused

A message is one line: what happened, then what to do next. Errors of foreign libraries are translated where
they enter, with the original as the cause.
"""

__all__ = [
    "AudioError",
    "BundleError",
    "Busy",
    "ChatsError",
    "ConfigError",
    "DesktopError",
    "DeviceError",
    "DownloadError",
    "EdgeLlasmError",
    "EngineError",
    "GrammarError",
    "NoRoom",
    "NoSpeech",
    "PromptTooLong",
    "ServeError",
    "SoundError",
    "UnknownModel",
    "VoiceError",
]


class EdgeLlasmError(Exception):
    """The root: catch this to catch everything that this package raises on purpose."""


class AudioError(EdgeLlasmError):
    """A recording cannot be read: missing, empty, of an unknown format, or not sound."""


class NoSpeech(AudioError):
    """The recording was read, but nobody speaks in it."""


class BundleError(EdgeLlasmError):
    """A model folder is missing, incomplete, altered, or its parts do not fit each other."""


class UnknownModel(BundleError):
    """No bundle has this name, and no folder of this name exists."""


class DownloadError(EdgeLlasmError):
    """A model cannot be fetched: refused, unreachable, cut off, or not the published file."""


class SoundError(EdgeLlasmError):
    """A microphone or loudspeaker, or the library that reaches them, is missing or stopped working."""


class VoiceError(EdgeLlasmError):
    """A voice that was asked for is not there, none is, or it gives no sound."""


class DesktopError(EdgeLlasmError):
    """The keyboard, the clipboard or the windows of this desktop cannot be reached, or refuse what is wanted."""


class ChatsError(EdgeLlasmError):
    """The file of the kept chats cannot be read or written, or there is no such chat in it."""


class ConfigError(EdgeLlasmError):
    """The configuration file cannot be read, or holds a key or a value that no option has."""


class ServeError(EdgeLlasmError):
    """The server cannot be started as it was asked to: a port that is taken, an address that needs a token and TLS."""


class NoRoom(EdgeLlasmError):
    """The disk has no room for what is to be written; found out before anything is."""


class GrammarError(EdgeLlasmError):
    """The form that an answer was to have cannot be written as a grammar; the message names the part of it."""


class EngineError(EdgeLlasmError):
    """A native library is missing, of an unsupported version, or failed."""


class DeviceError(EngineError):
    """No installed build supports the device that was asked for."""


class PromptTooLong(EdgeLlasmError):
    """The newest question alone, with the system prompt, does not fit the model's context."""


class Busy(EdgeLlasmError):
    """Another caller is using this assistant, and waiting was not wanted."""
