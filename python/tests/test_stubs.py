"""The stub of the native module says what is there, and everything public has a docstring."""

import ast
import importlib.util
import inspect
import pathlib
import sys

import pytest

import style_transfer
from style_transfer import _native

STUB = pathlib.Path(importlib.util.find_spec("style_transfer._native").origin).parent / "_native.pyi"
BODY = ast.parse(STUB.read_text()).body


def public(names):
    return {name for name in names if not name.startswith("_")}


def names(body):
    return {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def parameters(function):
    arguments = function.args
    return [a.arg for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs if a.arg != "self"]


def native_parameters(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_the_package_is_typed():
    assert (STUB.parent / "py.typed").exists()


def test_names():
    assert names(BODY) == public(dir(_native))


@pytest.mark.parametrize("function", [n for n in BODY if isinstance(n, ast.FunctionDef)], ids=lambda n: n.name)
def test_functions(function):
    assert parameters(function) == native_parameters(getattr(_native, function.name))


@pytest.mark.parametrize("stub", [n for n in BODY if isinstance(n, ast.ClassDef)], ids=lambda n: n.name)
def test_classes(stub):
    native = getattr(_native, stub.name)
    assert public(names(stub.body)) == public(vars(native))
    for method in (n for n in stub.body if isinstance(n, ast.FunctionDef)):
        is_property = any(getattr(d, "id", None) == "property" for d in method.decorator_list)
        if method.name == "__init__":
            if sys.version_info < (3, 11):
                continue  # which finds no signatures of such classes
            assert parameters(method) == native_parameters(native)
        elif is_property:
            assert inspect.isgetsetdescriptor(getattr(native, method.name))
        else:
            assert parameters(method) == native_parameters(getattr(native, method.name))


def test_everything_public_is_documented():
    for name in style_transfer.__all__:
        public_object = getattr(style_transfer, name)
        if name == "Picture":  # a union
            continue
        assert inspect.getdoc(public_object), name
        if inspect.isclass(public_object) and not issubclass(public_object, (Exception, dict)):
            for member, value in vars(public_object).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"


def test_the_signature_lists_the_options():
    for function in (style_transfer.stylize, style_transfer.Session):
        assert set(style_transfer.Options.__annotations__) <= set(inspect.signature(function).parameters)
