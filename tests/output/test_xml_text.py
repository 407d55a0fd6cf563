"""Escaped text in XML is that of the standard library."""

from xml.sax import saxutils

from hypothesis import given
from hypothesis import strategies as st

from vsr.output.xml_text import escape, quoteattr


@given(st.text("ab \"'&<>;\n\r\té"))
def test_text_and_attributes_are_those_of_the_standard_library(text):
    assert escape(text) == saxutils.escape(text) and quoteattr(text) == saxutils.quoteattr(text)
