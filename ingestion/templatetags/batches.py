"""What the templates of ingestion say numbers and times with."""

from django import template

from ingestion import words

register = template.Library()
register.filter("brief", words.brief)
register.filter("number", words.number)
register.filter("exact", words.exact)
